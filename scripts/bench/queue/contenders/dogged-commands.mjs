/** Dogged: one child for each job, through the real dispatcher; and what is open, held and alive before and after. */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { dispatcherOf, runnerOf } from '../dogged-dispatch.mjs';
import { admitMany, openOwned } from '../dogged-store.mjs';
import { timed } from '../stopwatch.mjs';

export async function run({ folder, jobs, slots }) {
  const stateFolder = join(folder, 'state');
  mkdirSync(stateFolder, { mode: 0o700 });
  const owned = await openOwned(stateFolder);
  await admitMany(owned.store, jobs);
  const dispatcher = dispatcherOf(owned, { folder, stateFolder, slots, runner: runnerOf('command', folder) });
  let before = null;
  const run = await timed(async () => {
    dispatcher.start();
    await dispatcher.upTo(Math.floor(jobs / 10));
    before = holdings();
    await dispatcher.upTo(jobs);
  });
  await dispatcher.stop();
  const after = holdings();
  await owned.store.close();
  const left = Object.fromEntries(
    Object.keys(before).map((what) => [what, { before: before[what], after: after[what] }]),
  );
  return { run, left };
}

function holdings() {
  globalThis.gc();
  const children = readdirSync('/proc/self/task').flatMap((thread) =>
    readFileSync(`/proc/self/task/${thread}/children`, 'utf8').split(' ').filter(Boolean),
  );
  return {
    'resident memory, MiB': Math.round(process.memoryUsage.rss() / 2 ** 20),
    'heap, MiB': Math.round(process.memoryUsage().heapUsed / 2 ** 20),
    'open descriptors': readdirSync('/proc/self/fd').length,
    'live or unreaped children': children.length,
  };
}
