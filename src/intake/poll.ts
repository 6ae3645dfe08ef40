import { relative } from 'node:path';
import type { SourceConfig } from '../config/config.js';
import type { Clock } from '../platform/clock.js';
import type { Log } from '../platform/log.js';
import { type AdmissionResult, VERSIONS_AN_HOUR } from '../store/contract.js';
import { type AdmissionDoor, newCycle } from './admit.js';
import type { RejectCopies } from './reject-copies.js';
import type { SourceReader, Step } from './step.js';
import { StepBatch } from './step-batch.js';
import { PollTally } from './tally.js';

export interface PollParts {
  readonly source: SourceConfig;
  readonly reader: SourceReader;
  readonly door: AdmissionDoor;
  readonly copies: RejectCopies;
  readonly clock: Clock;
  readonly log: Log;
  readonly onQueued: () => void;
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
  if (!door.isInStep) reader.restore(await door.cursors());
  const steps = reader.poll({ wallMs: nowMs, monotonicMs: clock.monotonicMs() }, thorough);
  const batch = new StepBatch();
  const flush = () => batch.isEmpty || admitStep(batch.take(), parts, cycle, tally, paths);
  try {
    for (const step of steps) {
      if (!batch.accepts(step) && !(await flush())) break;
      batch.add(step);
      await turnOfLoop();
      if (parts.isStopping()) break;
    }
    await flush();
  } catch (error) {
    door.isInStep = false;
    throw error;
  } finally {
    report(source, cycle, tally, paths, log);
  }
  return tally;
}

async function admitStep(
  step: Step,
  { source, door, copies, clock, log, onQueued }: PollParts,
  cycle: string,
  tally: PollTally,
  paths: Set<string>,
): Promise<boolean> {
  const report = await door.admit(step, cycle, clock.wallMs());
  if (!report.committed) {
    log.warn(
      { source: source.name, path: report.conflictPath },
      'another reader moved this cursor; reading again',
    );
    return false;
  }
  tally.add(report.answers, step.rejects);
  copies.keep(source.name, step.rejects);
  for (const { path } of step.cursors) paths.add(path);
  if (report.answers.some(({ result }) => CHANGED.has(result))) onQueued();
  return true;
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

function turnOfLoop(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
