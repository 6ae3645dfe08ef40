import { accessSync, constants, existsSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { sizeText } from '../platform/duration-text.js';
import { type Check, type CheckResult, result } from './check.js';

const MB = 1024 * 1024;
const GB = 1024 * MB;

/** Below these the database cannot be trusted to grow; a share alone would cry wolf on a large disk. */
const CRITICAL_BELOW_BYTES = 100 * MB;
const WARN_BELOW_SHARE = 0.05;
const WARN_BELOW_BYTES = 2 * GB;
const WARN_BELOW_INODES = 0.02;

export function machineChecks(stateFolder: string): Check[] {
  return [{ name: 'disk', run: () => [checkWritable(stateFolder), checkSpace(stateFolder)].flat() }];
}

/** Read-only, as a card that wears out becomes: asked of the kernel, nothing is written. */
function checkWritable(stateFolder: string): CheckResult[] {
  try {
    accessSync(stateFolder, constants.W_OK);
    return [];
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return [];
    const why = code === 'EROFS' ? 'is mounted read-only' : `cannot be written (${code})`;
    return [
      result('state-folder', 'State folder', 'critical', `${stateFolder} ${why}`, `ls -ld ${stateFolder}`),
    ];
  }
}

function checkSpace(stateFolder: string): CheckResult {
  const { bavail, blocks, bsize, files, ffree } = statfsSync(nearestExisting(stateFolder));
  const freeBytes = bavail * bsize;
  const share = blocks === 0 ? 1 : bavail / blocks;
  const text = `${Math.floor(share * 100)} % free (${sizeText(freeBytes)})`;
  const say = (status: CheckResult['status'], words: string, remedy: string | null = null) =>
    result('disk', 'Disk', status, words, remedy);
  const remedy = 'dogged prune --older-than 30d';
  if (freeBytes < CRITICAL_BELOW_BYTES)
    return say('critical', `${text}, need ${sizeText(CRITICAL_BELOW_BYTES)}`, remedy);
  if (share < WARN_BELOW_SHARE && freeBytes < WARN_BELOW_BYTES)
    return say('warning', `${text}, need 5 %`, remedy);
  // File systems without a fixed number of inodes report none at all.
  if (files > 0 && ffree / files < WARN_BELOW_INODES)
    return say('warning', 'nearly out of inodes', `df -i ${stateFolder}`);
  return say('ok', text);
}

/** Before the first start there is no state folder yet: it will be made on the same disk as its parent. */
function nearestExisting(folder: string): string {
  return existsSync(folder) ? folder : nearestExisting(dirname(folder));
}
