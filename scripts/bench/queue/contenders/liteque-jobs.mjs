/** liteque: adds one by one (it has no other way), and removes what is completed. NORMAL, as it ships. */
import { join } from 'node:path';
import { payloadText } from '../dogged-store.mjs';
import { importPeer } from '../peers.mjs';
import { timed } from '../stopwatch.mjs';

export async function run({ folder, jobs, slots, peers }) {
  const { buildDBClient, Runner, SqliteQueue } = await importPeer(peers, 'liteque');
  const db = buildDBClient(join(folder, 'queue.db'), { runMigrations: true });
  const options = { defaultJobArgs: { numRetries: 0 }, keepFailedJobs: true };
  const queue = new SqliteQueue('nothing', db, options);
  const enqueue = await timed(async () => {
    for (let n = 0; n < jobs; n += 1) await queue.enqueue(JSON.parse(payloadText(n)));
  });
  let completed = 0;
  const functions = {
    run: async () => undefined,
    onComplete: async () => {
      completed += 1;
    },
  };
  const runner = new Runner(queue, functions, { concurrency: slots, pollIntervalMs: 1, timeoutSecs: 60 });
  const run = await timed(() => runner.runUntilEmpty());
  if (completed !== jobs) throw new Error(`${completed} of ${jobs} jobs completed`);
  return { jobs, enqueue, run };
}
