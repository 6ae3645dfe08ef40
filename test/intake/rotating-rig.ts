import {
  appendFileSync,
  copyFileSync,
  existsSync,
  lstatSync,
  renameSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type FileAccess, systemFiles } from '../../src/intake/file-access.js';
import { tempFolder } from '../support/temp-folder.js';
import { createRig, logSource, type RigOptions } from './rig.js';

export const line = (id: number) => `${JSON.stringify({ id })}\n`;

/** Real files, under which something happens just before the n-th call of a look. */
export function inTheMidst() {
  let left = 0;
  let act = (_hasLooked: boolean): void => undefined;
  let hasLooked = false;
  const counted = <A extends unknown[], R>(call: (...args: A) => R) => {
    return (...args: A): R => {
      left -= 1;
      if (left === 0) act(hasLooked);
      if ((call as unknown) === systemFiles.fstat) hasLooked = true;
      return call(...args);
    };
  };
  const files: FileAccess = {
    ...systemFiles,
    lstat: counted(systemFiles.lstat),
    stat: counted(systemFiles.stat),
    open: counted(systemFiles.open),
    fstat: counted(systemFiles.fstat),
    read: counted(systemFiles.read),
    list: counted(systemFiles.list),
  };
  return {
    files,
    /** `hasLooked`: a file was opened before, and its stamp taken. */
    arm(call: number, then: (hasLooked: boolean) => void) {
      left = call;
      act = then;
    },
  };
}

/** Until what is written gets other time stamps than this file: at once, for what happens in the midst of a call. */
export function awaitTick(path: string): void {
  const probe = join(tempFolder(), 'probe');
  const changedNs = (of: string) => lstatSync(of, { bigint: true }).ctimeNs;
  for (let n = 0; n < 1_000_000; n += 1) {
    writeFileSync(probe, '');
    if (changedNs(probe) > changedNs(path)) return;
  }
  throw new Error('the clock of the file system stands still');
}

export async function rotatingRig(changes: Parameters<typeof logSource>[1] = {}, options: RigOptions = {}) {
  const rig = await createRig((folder) => logSource(join(folder, 'log.json'), changes), options);
  const path = join(rig.folder, 'log.json');
  const shift = (keep: number) => {
    for (let n = keep; n >= 1; n -= 1) {
      if (existsSync(`${path}.${n}`)) renameSync(`${path}.${n}`, `${path}.${n + 1}`);
    }
  };
  return {
    rig,
    path,
    append: (text: string) => appendFileSync(path, text),
    /** As logrotate does: the oldest goes up one number, and the name is free. */
    rotate(keep = 3) {
      shift(keep);
      renameSync(path, `${path}.1`);
    },
    /** As `copytruncate` does. */
    copyAway(keep = 3) {
      shift(keep);
      copyFileSync(path, `${path}.1`);
      truncateSync(path);
    },
  };
}
