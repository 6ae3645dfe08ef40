/** Dogged: jobs that do nothing, admitted, run by one long-lived child, and ended. FULL, with its ledger and its history. */
import { openDogged } from '../dogged-dispatch.mjs';
import { admitMany } from '../dogged-store.mjs';
import { timed } from '../stopwatch.mjs';

export async function run({ folder, jobs, slots, kind }) {
  const dogged = await openDogged(folder, kind, slots);
  const enqueue = await timed(() => admitMany(dogged.store, jobs));
  let turns = 0;
  const run = await timed(async () => {
    dogged.start();
    ({ turns } = await dogged.upTo(jobs));
  });
  await dogged.stop();
  const { completed } = (await dogged.store.counts()).total;
  if (completed !== jobs) throw new Error(`${completed} of ${jobs} jobs stand as completed`);
  await dogged.store.close();
  return { jobs, enqueue, run, turns };
}
