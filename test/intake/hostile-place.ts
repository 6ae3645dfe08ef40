import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { DirectorySource } from '../../src/config/config.js';
import { createRig, directorySource, logSource, type Rig, type RigOptions } from './rig.js';

/*
 * What a source may meet, one row after the other, for logs and folders alike (hostile-*.test.ts). Other tests go into
 * each of them; these hold that no row is forgotten.
 */

export interface Place {
  readonly rig: Rig;
  /** The log, or the one file of the folder that matters. */
  readonly path: string;
  readonly folder: string;
  /** What a whole file with these records looks like. */
  readonly text: (...records: readonly (object | string)[]) => string;
}

export type Kind = 'log' | 'directory';
type Changes = Partial<Omit<DirectorySource, 'kind'>>;

export async function placeFor(kind: Kind, changes: Changes = {}, options: RigOptions = {}): Promise<Place> {
  const rig = await createRig(
    (base) =>
      kind === 'log'
        ? logSource(join(base, 'in', 'x.json'), changes)
        : directorySource(join(base, 'in'), changes),
    options,
  );
  const folder = join(rig.folder, 'in');
  mkdirSync(folder);
  return {
    rig,
    folder,
    path: join(folder, 'x.json'),
    text: (...records) => {
      const texts = records.map((one) => (typeof one === 'string' ? one : JSON.stringify(one)));
      return kind === 'log' ? texts.map((one) => `${one}\n`).join('') : `[${texts.join(',')}]`;
    },
  };
}
