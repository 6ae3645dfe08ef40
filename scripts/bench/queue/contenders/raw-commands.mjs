/** As many `true` through execa or Node's own spawn in a p-queue, or through xargs: nothing is kept of them. */
import { spawn, spawnSync } from 'node:child_process';
import { execa } from 'execa';
import PQueue from 'p-queue';
import { timed } from '../stopwatch.mjs';

const WAYS = { execa: () => execa('true'), spawn: spawned };

export async function run({ jobs, slots, by }) {
  if (by === 'xargs') return { run: await timed(async () => xargs(jobs, slots)) };
  const queue = new PQueue({ concurrency: slots });
  return {
    run: await timed(async () => {
      for (let n = 0; n < jobs; n += 1) void queue.add(WAYS[by]);
      await queue.onIdle();
    }),
  };
}

function spawned() {
  return new Promise((resolve, reject) => {
    spawn('true').once('error', reject).once('close', resolve);
  });
}

function xargs(jobs, slots) {
  const input = Array.from({ length: jobs }, (_, n) => n).join('\n');
  const { status } = spawnSync('xargs', [`-P${slots}`, '-n1', 'true'], { input });
  if (status !== 0) throw new Error(`xargs exited with ${status}`);
}
