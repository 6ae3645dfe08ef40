import type { Beat } from '../heartbeat/beat.js';
import type { Settings } from '../heartbeat/settings.js';
import type { Clock } from '../platform/clock.js';
import { durationText } from '../platform/duration-text.js';

/** Counters that must move while a worker runs, whether or not there is any work. */
type Watched = 'beat' | 'loop' | 'polls' | 'commits' | 'asyncFs';

/** What one look at the heartbeat told. */
export interface Sight {
  /** The look came so late that it says nothing about the worker: take no action on it. */
  readonly overslept: boolean;
  /** The watched worker has written at least one beat. */
  readonly hasBeat: boolean;
  /** Something moved since the last look. */
  readonly moved: boolean;
  /** What has stood still for longest, and for how long on our own clock. */
  readonly standing: { readonly what: Watched; readonly forMs: number };
  /** Who or what keeps the worker from its database, in words; null when nothing does. Restarting it would mend nothing. */
  readonly held: string | null;
  /** For how long there was work, a free slot, and no claim. */
  readonly idleMs: number;
}

/** Watches one worker: its successor gets an observer of its own, which knows nothing of the former. */
export interface Observer {
  /** One look. `beat` is the last beat of the watched worker, or null when it has written none. */
  look(beat: Beat | null, settings: Pick<Settings, 'pollMs'>, checkEveryMs: number): Sight;
}

interface Standing {
  value: number;
  staleMs: number;
}

/**
 * Measures how long each counter has stood still, by this process's own monotonic clock and never by the times in the
 * beat. One look adds at most two intervals: after a suspend, a frozen machine or a busy one, the time that we did not
 * see is not held against the worker, and the look that comes late decides nothing.
 */
export function createObserver(clock: Clock): Observer {
  const counters = new Map<Watched, Standing>();
  let lastLookAtMs: number | null = null;
  let state: Beat['state'] | null = null;
  let wasKept = false;
  let claims = -1;
  let idleMs = 0;

  return {
    look(beat, settings, checkEveryMs) {
      const nowMs = clock.monotonicMs();
      const sinceMs = lastLookAtMs === null ? 0 : nowMs - lastLookAtMs;
      lastLookAtMs = nowMs;
      const overslept = sinceMs > 2 * checkEveryMs;
      const stepMs = Math.min(sinceMs, 2 * checkEveryMs);

      // What must move is another set in each state: a worker that drains polls no more.
      // So is it while somebody else holds the database, or its disk is full: what waits for that is not to blame.
      if (beat !== null && (beat.state !== state || isKept(beat) !== wasKept)) counters.clear();
      state = beat?.state ?? null;
      wasKept = beat !== null && isKept(beat);

      let moved = false;
      let worst: Sight['standing'] = { what: 'beat', forMs: -1 };
      for (const [what, value] of expected(beat, settings)) {
        const before = counters.get(what);
        let staleMs = 0;
        if (before === undefined) {
          counters.set(what, { value, staleMs });
          moved ||= beat !== null;
        } else if (before.value !== value) {
          counters.set(what, { value, staleMs });
          moved = true;
        } else {
          staleMs = before.staleMs + stepMs;
          before.staleMs = staleMs;
        }
        const allowedMs = what === 'polls' ? (settings.pollMs ?? 0) : 0;
        const forMs = Math.max(0, staleMs - allowedMs);
        if (forMs > worst.forMs) worst = { what, forMs };
      }

      const waits =
        beat !== null && !isKept(beat) && beat.state === 'running' && beat.runnable > 0 && beat.freeSlots > 0;
      idleMs = waits && beat.counters.claims === claims ? idleMs + stepMs : 0;
      claims = beat?.counters.claims ?? -1;

      return { overslept, hasBeat: beat !== null, moved, standing: worst, held: tellHeld(beat), idleMs };
    },
  };
}

function expected(beat: Beat | null, { pollMs }: Pick<Settings, 'pollMs'>): [Watched, number][] {
  if (beat === null) return [['beat', 0]];
  const { loop, polls, commits, asyncFs } = beat.counters;
  const always: [Watched, number][] = [
    ['beat', beat.seq],
    ['loop', loop],
  ];
  if (beat.state !== 'running') return always;
  always.push(['asyncFs', asyncFs]);
  if (isKept(beat)) return always;
  always.push(['commits', commits]);
  if (pollMs !== null) always.push(['polls', polls]);
  return always;
}

/** Something beside the worker keeps it from its database. */
function isKept({ held, storage }: Beat): boolean {
  return held !== undefined || storage !== undefined;
}

function tellHeld(beat: Beat | null): string | null {
  if (beat?.storage !== undefined) return `${beat.storage}: waiting for room`;
  if (beat?.held === undefined) return null;
  const { forMs, pids } = beat.held;
  const who = pids.length === 0 ? 'another process' : `PID ${pids.join(', ')}`;
  return `the database is held by ${who} for ${durationText(forMs)}: waiting for it`;
}
