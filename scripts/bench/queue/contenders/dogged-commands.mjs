/** Dogged: one child for each job, through the real dispatcher; and what is open, held and alive before and after. */
import { readdirSync, readFileSync } from 'node:fs';
import { openDogged } from '../dogged-dispatch.mjs';
import { admitMany } from '../dogged-store.mjs';
import { timed } from '../stopwatch.mjs';

export async function run({ folder, jobs, slots }) {
  const dogged = await openDogged(folder, 'command', slots);
  await admitMany(dogged.store, jobs);
  let before = null;
  const run = await timed(async () => {
    dogged.start();
    await dogged.upTo(Math.floor(jobs / 10));
    before = holdings();
    await dogged.upTo(jobs);
  });
  await dogged.stop();
  const after = holdings();
  await dogged.store.close();
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
