/*
 * The program that does for the worker what takes long and reads the whole database: node care-process.js back-up STATE FILE BYTES,
 * or node care-process.js check FILE [now]. Says on stdout what came of it, as one line of JSON. Its end harms nothing. It goes last in
 * the line for the processor, but with `now`: then somebody waits for it.
 */
import { setPriority } from 'node:os';
import { DoggedError } from '../../job/errors.js';
import { systemClock } from '../../platform/clock.js';
import { backUpTo } from './back-up.js';
import { findDamage } from './soundness.js';

const LAST_IN_LINE = 19;

async function work([task, ...args]: readonly string[]): Promise<unknown> {
  const [first = '', second = '', third = '0'] = args;
  switch (task) {
    case 'back-up':
      return backUpTo(first, second, Number(third), systemClock);
    case 'check':
      return findDamage(first);
    default:
      throw new Error(`there is no task "${task}"`);
  }
}

try {
  const args = process.argv.slice(2);
  if (!args.includes('now')) setPriority(LAST_IN_LINE);
  console.log(JSON.stringify({ result: await work(args) }));
} catch (error) {
  const code = error instanceof DoggedError ? error.code : null;
  console.log(JSON.stringify({ failed: { code, message: String((error as Error).message ?? error) } }));
}
