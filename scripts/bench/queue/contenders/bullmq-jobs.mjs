/** BullMQ on a Redis of its own: append-only file flushed once a second, or none at all. */
import { payloadText } from '../dogged-store.mjs';
import { importPeer } from '../peers.mjs';
import { startRedis } from '../redis-server.mjs';
import { timed } from '../stopwatch.mjs';

const BATCH = 1_000;

export async function run({ folder, jobs, slots, peers, appendOnly }) {
  const { Queue, Worker } = await importPeer(peers, 'bullmq');
  const redis = await startRedis(folder, appendOnly);
  const connection = { host: '127.0.0.1', port: redis.port, maxRetriesPerRequest: null };
  try {
    const queue = new Queue('nothing', { connection });
    await queue.waitUntilReady();
    const enqueue = await timed(async () => {
      for (let from = 0; from < jobs; from += BATCH) {
        const size = Math.min(BATCH, jobs - from);
        const bulk = Array.from({ length: size }, (_, i) => ({
          name: 'nothing',
          data: JSON.parse(payloadText(from + i)),
        }));
        await queue.addBulk(bulk);
      }
    });
    const worker = new Worker('nothing', async () => undefined, {
      connection,
      concurrency: slots,
      autorun: false,
    });
    worker.on('error', console.error);
    await worker.waitUntilReady();
    const run = await timed(
      () =>
        new Promise((resolve, reject) => {
          let completed = 0;
          worker.on('completed', () => {
            completed += 1;
            if (completed === jobs) resolve();
          });
          worker.run().catch(reject);
        }),
    );
    await worker.close();
    await queue.close();
    return { jobs, enqueue, run };
  } finally {
    await redis.stop();
  }
}
