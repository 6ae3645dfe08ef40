import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempFolder } from './temp-folder.js';

export const NO_SETTABLE_CLOCK = 'libfaketime is not installed (Debian: apt-get install libfaketime)';

/** A wall clock for real processes, apart from that of the machine. */
export interface SettableClock {
  /** For the processes that shall go by it. */
  readonly environment: NodeJS.ProcessEnv;
  /** How far it is from the machine's: `+0`, `-1h`, `+1d`. At once, in all of them. */
  set(apart: string): void;
}

/** null where libfaketime is not installed. */
export function settableClock(apart = '+0'): SettableClock | null {
  const root = '/usr/lib';
  const library = (name: string) => join(root, name, 'faketime/libfaketimeMT.so.1');
  const folder = readdirSync(root).find((name) => existsSync(library(name)));
  if (folder === undefined) return null;
  const file = join(tempFolder(), 'clock');
  const set = (to: string) => writeFileSync(file, to);
  set(apart);
  return {
    environment: {
      LD_PRELOAD: library(folder),
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      // As in the kernel: setting the clock does not touch monotonic time.
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    },
    set,
  };
}
