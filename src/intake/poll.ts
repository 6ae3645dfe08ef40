import { relative } from 'node:path';
import type { SourceConfig } from '../config/config.js';
import type { Clock } from '../platform/clock.js';
import type { Log } from '../platform/log.js';
import { type AdmissionAnswer, type AdmissionResult, VERSIONS_AN_HOUR } from '../store/contract.js';
import { type AdmissionDoor, newCycle } from './admit.js';
import { ChangeHold, countRepeated } from './change-hold.js';
import type { RejectCopies } from './reject-copies.js';
import type { PolledReader, Step } from './step.js';
import { StepBatch } from './step-batch.js';
import { PollTally } from './tally.js';
import { turnOfLoop } from './turn-of-loop.js';

export interface PollParts {
  readonly source: SourceConfig;
  readonly reader: PolledReader;
  readonly door: AdmissionDoor;
  readonly copies: RejectCopies;
  readonly clock: Clock;
  readonly log: Log;
  readonly onQueued: () => void;
  /** Called after each slice: the poll goes on. */
  readonly onSlice: () => void;
  /** Asked between two steps: true ends the poll early; what was read so far is admitted. */
  readonly isStopping: () => boolean;
}

/**
 * One poll of one source: pulls steps from its reader, lets the event loop turn after each, and admits them, a few in
 * one transaction. Resolves with what it came to. Throws what reader and store throw; nothing is lost then, since the
 * next poll begins from what was committed. `thorough` looks at everything, also at files whose turn has not come.
 */
export async function pollSource(parts: PollParts, thorough: boolean): Promise<PollTally> {
  const { source, reader, door, clock, log } = parts;
  const nowMs = clock.wallMs();
  const cycle = newCycle(nowMs);
  const tally = new PollTally();
  const paths = new Set<string>();
  // After a poll that broke off, the reader may have read ahead of what the store took.
  if (!door.isInStep) await restore(reader, door);
  const steps = reader.poll({ wallMs: nowMs, monotonicMs: clock.monotonicMs() }, thorough);
  const batch = new StepBatch();
  const hold = new ChangeHold();
  const flush = async () => {
    if (batch.isEmpty) return true;
    const step = batch.take();
    const startMs = clock.monotonicMs();
    const answers = await admitStep(hold.asking(step), parts, cycle);
    if (answers === null) return false;
    batch.tune(step, clock.monotonicMs() - startMs);
    tally.add(hold.answered(step, answers), step.rejects);
    for (const { path } of step.cursors) paths.add(path);
    return !hold.isFull || (await release());
  };
  const release = async () => {
    for (const { repeated, ...step } of hold.rest()) {
      await turnOfLoop();
      const answers = await admitStep(step, parts, cycle);
      if (answers === null) return false;
      tally.add({ answers, repeated: repeated + countRepeated(answers) }, []);
    }
    return true;
  };
  try {
    let isInStep = true;
    for await (const step of steps) {
      isInStep = batch.accepts(step) || (await flush());
      if (!isInStep) break;
      batch.add(step);
      await turnOfLoop();
      parts.onSlice();
      if (parts.isStopping()) break;
    }
    if (isInStep && (await flush()) && !parts.isStopping()) await release();
    // We are stopped: what is held is read again, since its cursors have not moved.
    if (!hold.isEmpty) door.isInStep = false;
  } catch (error) {
    door.isInStep = false;
    throw error;
  } finally {
    report(source, cycle, tally, paths, log);
  }
  return tally;
}

async function restore(reader: PolledReader, door: AdmissionDoor): Promise<void> {
  reader.restore([]);
  for await (const cursors of door.cursors()) {
    reader.recall(cursors);
    await turnOfLoop();
  }
}

/** null: another reader moved a cursor first, and nothing was written. */
async function admitStep(
  step: Step,
  { source, door, copies, clock, log, onQueued }: PollParts,
  cycle: string,
): Promise<readonly AdmissionAnswer[] | null> {
  const report = await door.admit(step, cycle, clock.wallMs());
  if (!report.committed) {
    log.warn(
      { source: source.name, path: report.conflictPath },
      'another reader moved this cursor; reading again',
    );
    return null;
  }
  copies.keep(source.name, step.rejects);
  if (report.answers.some(({ result }) => CHANGED.has(result))) onQueued();
  return report.answers;
}

/** What the dispatcher must know of: jobs that are due now, or at another time than before. */
const CHANGED: ReadonlySet<AdmissionResult> = new Set(['queued', 'superseded', 'held']);

function report(source: SourceConfig, cycle: string, tally: PollTally, paths: Set<string>, log: Log): void {
  if (!tally.isNews) return;
  const fields = { source: source.name, cycle, ...tally.counts() };
  const place = placeName(source, paths);
  if (tally.seen > tally.rejected) log.info(fields, `✅ Loaded tasks from ${place}: ${tally.describe()}`);
  if (tally.of('held') > 0)
    log.warn(fields, `${place}: ${HELD}; \`dogged jobs --source ${source.name}\` names the keys`);
  if (tally.repeated > 0) log.warn(fields, `${place}: ${tally.describeRepeated(source.onChange)}`);
  if (tally.rejected === 0) return;
  log.warn(
    fields,
    `${place}: ${tally.describeRejects()}; \`dogged rejects --source ${source.name}\` says why, and what to do`,
  );
}

const HELD = `records that changed more than ${VERSIONS_AN_HOUR} times within an hour are held back: who writes them, a handler of their own?`;

function placeName(source: SourceConfig, paths: Set<string>): string {
  const [only] = paths;
  if (source.kind === 'log' || only === undefined) return source.path;
  if (paths.size === 1) return only;
  return `${source.path} (${paths.size} files, among them ${relative(source.path, only)})`;
}
