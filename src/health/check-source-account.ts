import type { BeatLook, BeatSource } from '../heartbeat/beat.js';
import type { JobState } from '../job/job.js';
import { countText, durationText, plural } from '../platform/duration-text.js';
import { type CheckResult, type CheckStatus, result } from './check.js';

export interface SourceFacts extends BeatSource {
  /** Where the last job of each record stands; null where nobody could count them. */
  readonly states: Readonly<Record<JobState, number>> | null;
}

/** What becomes of nearly every record is told always, the rest where there is any. */
const SAID_ALWAYS: readonly (readonly [JobState, string])[] = [
  ['completed', 'done'],
  ['pending', 'pending'],
  ['running', 'running'],
  ['failed', 'failed'],
];
const SAID_IF_ANY: readonly JobState[] = ['cancelled', 'expired'];

/**
 * What became of the records of a source. `unaccounted` is known only to who reads the files: it is what the worker found
 * when it last did, with how long ago that was, and never a figure that nobody has looked for.
 */
export function checkSourceAccount(source: SourceFacts): CheckResult {
  const { name, records, rejected, lastPollMs, problem, waitingFiles = 0, look, states } = source;
  const say = (status: CheckStatus, text: string, remedy: string | null = null): CheckResult => ({
    ...result(`source:${name}`, `Source ${name}`, status, text, remedy),
    figures: figuresOf(source),
  });
  const parts = [`${countText(rejected)} rejected`, unaccountedText(look)];
  if (states !== null) parts.unshift(...stateTexts(states));
  if (waitingFiles > 0) parts.push(plural(waitingFiles, 'file is being written', 'files are being written'));
  if (lastPollMs === null) parts.push('not polled yet');
  const text = `${plural(records, 'record')}${states === null ? ',' : ':'} ${parts.join(', ')}`;
  if ((look?.unaccounted ?? 0) > 0) return say('critical', text, `dogged reconcile --source ${name}`);
  if (problem !== null) return say('warning', `${text}; ${problem}`, 'dogged logs');
  if (rejected > 0) return say('warning', text, `dogged rejects --source ${name}`);
  // Only somebody who reads all of it can tell, and that takes longer than a diagnosis may.
  const isForAudit = look?.unknown === 'large' || look?.unknown === 'network';
  return say('ok', text, isForAudit ? `dogged audit --source ${name}` : null);
}

function stateTexts(states: Readonly<Record<JobState, number>>): string[] {
  return [
    ...SAID_ALWAYS.map(([state, word]) => `${countText(states[state])} ${word}`),
    ...SAID_IF_ANY.filter((state) => states[state] > 0).map(
      (state) => `${countText(states[state])} ${state}`,
    ),
  ];
}

const NOT_LOOKED_AT: Readonly<Record<NonNullable<BeatLook['unknown']>, string>> = {
  large: 'it is too large to be read whole every few minutes',
  network: 'it is on a mount',
  missing: 'nothing is there',
  unreadable: 'not all of it could be read',
};

function unaccountedText(look: BeatLook | undefined): string {
  if (look === undefined) return 'unaccounted not known: nobody has looked';
  const ago = `${durationText(look.agoMs)} ago`;
  if (look.unaccounted !== null) return `${countText(look.unaccounted)} unaccounted (looked ${ago})`;
  const { unknown } = look;
  return `unaccounted not known: ${unknown === undefined ? 'it was not told' : (NOT_LOOKED_AT[unknown] ?? unknown)} (${ago})`;
}

function figuresOf({
  records,
  rejected,
  states,
  look,
}: SourceFacts): Readonly<Record<string, number | null>> {
  return {
    records,
    ...states,
    rejected,
    unaccounted: look?.unaccounted ?? null,
    lookedAgoMs: look === undefined || look.unaccounted === null ? null : Math.round(look.agoMs),
  };
}
