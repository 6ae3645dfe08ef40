import { DoggedError } from '../job/errors.js';
import { writeFileAtomic } from '../platform/atomic-file.js';
import { identifyProcess, type ProcessIdentity } from '../platform/process-identity.js';
import { readStateFile } from './read-state-file.js';
import { count, oneOf, shapeOf, text } from './shape.js';
import { stateFiles } from './state-files.js';

/** Why a worker did not start, or did not go on, in the words that it ended with. */
interface LastRefusal extends ProcessIdentity {
  readonly schema: 1;
  readonly why: string;
}

/** Written by the worker itself, since its exit code says too little: the monitor tells the reason. */
export function noteLastRefusal(stateFolder: string, error: unknown): void {
  if (!(error instanceof DoggedError)) return;
  try {
    const self = identifyProcess(process.pid);
    if (self === null) return;
    const content: LastRefusal = { schema: 1, ...self, why: error.message };
    writeFileAtomic(stateFiles(stateFolder).lastRefusal, `${JSON.stringify(content)}\n`);
  } catch (unwritten) {
    // As on a full disk: the worker ends all the same, and its log says why.
    console.error(`Why this worker ends could not be written down: ${String(unwritten)}`);
  }
}

/** What exactly this process said; null where it said nothing. */
export function readLastRefusal(stateFolder: string, process: ProcessIdentity): string | null {
  const file = readStateFile<LastRefusal>(stateFiles(stateFolder).lastRefusal, checkLastRefusal);
  if (file.status !== 'read') return null;
  const { bootId, pid, startTicks, why } = file.content;
  const same = bootId === process.bootId && pid === process.pid && startTicks === process.startTicks;
  return same ? why : null;
}

const checkLastRefusal = shapeOf<LastRefusal>({
  schema: oneOf(1),
  bootId: text,
  pid: count,
  startTicks: count,
  why: text,
});
