import type { SourceConfig } from '../config/config.js';
import { sayCycle, sayRead } from '../trace/say.js';
import { type AdmissionDoor, newCycle } from './admit.js';
import { PollAdmission, type PollAdmissionParts } from './poll-admission.js';
import { reportPoll } from './poll-report.js';
import type { PolledReader } from './step.js';
import type { PollTally } from './tally.js';
import { turnOfLoop } from './turn-of-loop.js';

export interface PollParts extends PollAdmissionParts {
  readonly source: SourceConfig;
  readonly reader: PolledReader;
  /** Hears what the poll came to, also where it broke off. */
  readonly onTally?: (tally: PollTally) => void;
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
  const { source, reader, door, clock, log, reads, onSlice, isStopping } = parts;
  const nowMs = clock.wallMs();
  const cycle = newCycle(nowMs);
  // After a poll that broke off, the reader may have read ahead of what the store took.
  if (!door.isInStep) await restore(reader, door);
  const admission = new PollAdmission(parts, cycle);
  try {
    let isInStep = true;
    for await (const step of reader.poll({ wallMs: nowMs, monotonicMs: clock.monotonicMs() }, thorough)) {
      isInStep = await admission.take(step);
      if (!isInStep) break;
      await turnOfLoop();
      onSlice();
      if (isStopping()) break;
    }
    if (isInStep && (await admission.flush()) && !isStopping()) await admission.release();
    if (admission.isHolding) door.isInStep = false;
  } catch (error) {
    door.isInStep = false;
    throw error;
  } finally {
    reportPoll(source, cycle, admission, log);
    parts.onTally?.(admission.tally);
    const { trace, tally } = admission;
    if (trace !== null) {
      const isNews = tally.isNews || trace.broken !== null;
      sayCycle(log, { cycle, source: source.name, isNews, unchanged: tally.unchanged }, trace);
      sayRead(log, reads?.close(cycle) ?? null, clock.wallMs());
    }
  }
  return admission.tally;
}

async function restore(reader: PolledReader, door: AdmissionDoor): Promise<void> {
  reader.restore([]);
  for await (const cursors of door.cursors()) {
    reader.recall(cursors);
    await turnOfLoop();
  }
}
