/** Dogged: admission of one record after the other, as `dogged add` does it, in one process. */
import { join } from 'node:path';
import { batchOf, openOwned, record } from '../dogged-store.mjs';
import { timed } from '../stopwatch.mjs';

export async function run({ folder, jobs }) {
  const { store } = await openOwned(join(folder, 'state'));
  const enqueue = await timed(async () => {
    for (let n = 0; n < jobs; n += 1) {
      const { answers } = await store.admit(batchOf([record(n)]));
      if (answers[0].result !== 'queued') throw new Error(`job ${n}: ${answers[0].result}`);
    }
  });
  await store.close();
  return { enqueue };
}
