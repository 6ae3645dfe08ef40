/**
 * plainjob: `synchronous` as it ships (NORMAL: a power cut may take what it said was done), or FULL. A worker takes one job
 * at a time, and several in one process are no quicker: it gets one. Its log, to the console by default, is silenced.
 */
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { ADMISSION_BATCH, payloadText } from '../dogged-store.mjs';
import { importPeer } from '../peers.mjs';
import { timed } from '../stopwatch.mjs';

const logger = { error: console.error, warn: console.error, info() {}, debug() {} };

export async function run({ folder, jobs, peers, synchronous }) {
  const { better, defineQueue, defineWorker } = await importPeer(peers, 'plainjob');
  const db = new Database(join(folder, 'queue.db'));
  const queue = defineQueue({ connection: better(db), logger });
  if (synchronous !== undefined) db.pragma(`synchronous = ${synchronous}`);
  const enqueue = await timed(async () => {
    for (let from = 0; from < jobs; from += ADMISSION_BATCH) {
      const size = Math.min(ADMISSION_BATCH, jobs - from);
      queue.addMany(
        'nothing',
        Array.from({ length: size }, (_, i) => JSON.parse(payloadText(from + i))),
      );
    }
  });
  const run = await timed(
    () =>
      new Promise((resolve, reject) => {
        let completed = 0;
        const worker = defineWorker('nothing', async () => undefined, {
          queue,
          logger,
          onCompleted: () => {
            completed += 1;
            if (completed === jobs) worker.stop().then(resolve, reject);
          },
        });
        worker.start().catch(reject);
      }),
  );
  const pragma = db.pragma('synchronous', { simple: true });
  queue.close();
  return { jobs, enqueue, run, synchronous: pragma };
}
