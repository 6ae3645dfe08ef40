import { parentPort, workerData } from 'node:worker_threads';
import type { SourceConfig, TaskConfig } from '../config/config.js';
import { systemClock } from '../platform/clock.js';
import { failpoint } from '../platform/failpoint.js';
import type { CursorRecord } from '../store/intake-contract.js';
import { systemFiles } from './file-access.js';
import { createJudge } from './judge.js';
import { createReader } from './source-reader.js';
import type { ReaderStatus, Step } from './step.js';

/*
 * Reads one source in a thread of its own: the entry of the thread that `threaded-reader.ts` starts. Whatever a dead
 * mount holds up is this thread, and nothing else.
 */

export interface ThreadData {
  readonly source: SourceConfig;
  readonly tasks: readonly TaskConfig[];
}

export type ThreadRequest =
  | { readonly ask: 'restore'; readonly cursors: readonly CursorRecord[] }
  | { readonly ask: 'recall'; readonly cursors: readonly CursorRecord[] }
  | { readonly ask: 'poll'; readonly thorough: boolean }
  /** The last step was admitted. */
  | { readonly ask: 'next' }
  /** It was not, or is not to be: the poll ends here. */
  | { readonly ask: 'end' };

export interface ThreadAnswer {
  /** null when the poll is over. */
  readonly step: Step | null;
  readonly status: ReaderStatus;
}

const { source, tasks } = workerData as ThreadData;
const port = parentPort;
if (port === null) throw new Error('this module is the entry of a thread');
const judge = await createJudge(source, tasks);
const reader = await createReader(source, judge, systemFiles, systemClock);
let steps: Generator<Step, void> | null = null;

port.on('message', (request: ThreadRequest) => {
  switch (request.ask) {
    case 'restore':
      reader.restore(request.cursors);
      return;
    case 'recall':
      reader.recall(request.cursors);
      return;
    case 'poll':
      // Monotonic time is the thread's own: that of the loop means nothing here.
      steps = reader.poll(
        { wallMs: systemClock.wallMs(), monotonicMs: systemClock.monotonicMs() },
        request.thorough,
      );
      answer();
      return;
    case 'next':
      answer();
      return;
    case 'end':
      steps?.return();
      steps = null;
  }
});

function answer(): void {
  failpoint('mount.look');
  const next = steps?.next();
  const step = next === undefined || next.done ? null : next.value;
  if (step === null) steps = null;
  port?.postMessage({ step, status: reader.status() } satisfies ThreadAnswer);
}
