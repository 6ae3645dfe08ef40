import { writeFileAtomic } from '../platform/atomic-file.js';
import type { ProcessIdentity } from '../platform/process-identity.js';
import { readStateFile } from './read-state-file.js';
import { count, oneOf, shapeOf, text } from './shape.js';
import { stateFiles } from './state-files.js';

/** Which worker we ended last, and why: it did not die by itself, so what it was running is not to blame. */
interface LastKill extends ProcessIdentity {
  readonly schema: 1;
  readonly why: string;
}

/**
 * Written before the first signal, so that whoever takes up that worker's jobs finds it. Returns why it could not be
 * written, as on a full disk: that must keep nobody from ending what is stuck.
 */
export function writeLastKill(stateFolder: string, victim: ProcessIdentity, why: string): string | null {
  const { bootId, pid, startTicks } = victim;
  const content: LastKill = { schema: 1, bootId, pid, startTicks, why };
  try {
    writeFileAtomic(stateFiles(stateFolder).lastKill, `${JSON.stringify(content)}\n`);
    return null;
  } catch (error) {
    return String(error);
  }
}

/** Whether exactly this process is the one that we ended last. */
export function wasKilledByUs(stateFolder: string, process: ProcessIdentity | null): boolean {
  if (process === null) return false;
  const file = readStateFile<LastKill>(stateFiles(stateFolder).lastKill, checkLastKill);
  if (file.status !== 'read') return false;
  const { bootId, pid, startTicks } = file.content;
  return bootId === process.bootId && pid === process.pid && startTicks === process.startTicks;
}

const checkLastKill = shapeOf<LastKill>({
  schema: oneOf(1),
  bootId: text,
  pid: count,
  startTicks: count,
  why: text,
});
