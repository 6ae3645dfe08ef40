import type { Beat } from '../heartbeat/beat.js';
import { durationText } from '../platform/duration-text.js';
import type { Action, End } from './decide.js';

/* What the monitor's log says about ends and actions. */

/** `why`: what made us end it, where we did. */
export function tellEnd(pid: number, { code, signal, stuck }: End, why = ''): string {
  const worker = `the worker (PID ${pid})`;
  if (stuck !== null) return `${worker} was stuck (${why}) and has been ended`;
  if (signal !== null) return `${worker} was ended by ${signal}`;
  if (code !== null) return `${worker} exited with code ${code}`;
  return pid === 0 ? 'the worker could not be started' : `${worker} is gone`;
}

export function tellAction(
  action: Action,
  ended: string,
  refusal: string | null,
  fruitless: number,
  configFile: string,
): string {
  switch (action.do) {
    case 'start':
      return action.afterMs === 0
        ? `${ended}: starting another`
        : `${ended}; ${fruitless} starts in a row came to nothing; the next one follows in ${action.afterMs / 1_000} s`;
    case 'await-config':
      return `${ended}: the config is refused, and no restart mends that (see: dogged check); waiting until ${configFile} changes`;
    case 'await-mending': {
      // Nothing of this one try: waiting for the same thing again is no news.
      const why = refusal?.replace(/\.$/, '') ?? 'what it needs cannot be used';
      return `the worker does not start: ${why}; tried again every ${durationText(action.retryMs)}, and when ${configFile} changes`;
    }
    case 'await-holder':
      return `${ended}: another process holds the state folder or its database; waiting for it`;
    case 'give-up':
      return `${ended}; gave up after ${fruitless} fruitless starts (see: dogged logs); trying once in ${Math.round(action.retryMs / 60_000)} minutes, or at once after: dogged start`;
  }
}

export function tellBeat({ counters, queue }: Beat): string {
  return `${counters.polls} polls, ${queue.pending} pending, ${queue.running} running, ${counters.completed} completed since its start`;
}
