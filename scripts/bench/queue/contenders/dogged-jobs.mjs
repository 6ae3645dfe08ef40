/** Dogged: jobs that do nothing, admitted, run by long-lived children, and ended. synchronous=FULL, with its ledger. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { dispatcherOf, runnerOf } from '../dogged-dispatch.mjs';
import { admitMany, openOwned } from '../dogged-store.mjs';
import { timed } from '../stopwatch.mjs';

export async function run({ folder, jobs, slots, kind, workers = 1 }) {
  const stateFolder = join(folder, 'state');
  mkdirSync(stateFolder, { mode: 0o700 });
  const owned = await openOwned(stateFolder);
  const enqueue = await timed(() => admitMany(owned.store, jobs));
  const runner = runnerOf(kind, folder, workers, Math.min(256, Math.ceil(slots / workers)));
  const dispatcher = dispatcherOf(owned, { folder, stateFolder, slots, runner });
  let turns = 0;
  const run = await timed(async () => {
    dispatcher.start();
    ({ turns } = await dispatcher.upTo(jobs));
  });
  await dispatcher.stop();
  const { completed } = (await owned.store.counts()).total;
  if (completed !== jobs) throw new Error(`${completed} of ${jobs} jobs stand as completed`);
  await owned.store.close();
  return { jobs, enqueue, run, turns };
}
