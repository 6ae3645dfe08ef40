/** Our store as a benchmark needs it: owned by this process, one task, jobs that differ in key and content. */
import { LEDGER_HASH_BYTES, takeSnapshot } from '../../../dist/job/snapshot.js';
import { systemClock as clock } from '../../../dist/platform/clock.js';
import { bootId, identifyProcess } from '../../../dist/platform/process-identity.js';
import { openStore } from '../../../dist/store/open.js';

export const TASK = 'nothing';
export const SCOPE = { workspace: 'default', kind: 'source', name: 'ideas' };
/** What intake takes when it is far behind. Every contender that can add many at once adds as many. */
export const ADMISSION_BATCH = 2_000;

export function payloadText(n) {
  return `{"title":"idea ${n}","description":"a line of text that is neither short nor long","n":${n}}`;
}

export async function openOwned(stateFolder, groupLimit = null) {
  const store = await openStore(stateFolder, 'worker', clock);
  const nonce = 'bench';
  const { startTicks } = identifyProcess(process.pid);
  const owner = { bootId: bootId(), pid: process.pid, startTicks, nonce };
  const { epoch, storeId } = await store.takeOwnership(owner, clock.wallMs());
  await store.configureTasks(['default'], [{ task: TASK, groupLimit, maxAttempts: 1 }]);
  return { store, epoch, storeId, nonce };
}

export async function admitMany(store, count, groupOf = () => null, task = () => TASK) {
  for (let from = 0; from < count; from += ADMISSION_BATCH) {
    const size = Math.min(ADMISSION_BATCH, count - from);
    const records = Array.from({ length: size }, (_, i) =>
      record(from + i, groupOf(from + i), task(from + i)),
    );
    await store.admit(batchOf(records));
  }
}

export function batchOf(records) {
  const nowMs = clock.wallMs();
  return { scope: SCOPE, cycle: 'bench', records, rejects: [], rereadPaths: [], cursors: [], nowMs };
}

export function record(n, group = null, task = TASK) {
  const payload = takeSnapshot(Buffer.from(payloadText(n)));
  return {
    key: `idea ${n}`,
    occurrenceIn: null,
    version: { hash: payload.hash.subarray(0, LEDGER_HASH_BYTES), order: null },
    onChange: 'ignore',
    payload,
    task,
    priority: 0,
    runAtMs: clock.wallMs(),
    expiresAtMs: null,
    timeoutMs: null,
    group,
    maxAttempts: 1,
  };
}
