import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../../platform/atomic-file.js';
import type { Restoration } from '../care.js';

const restorationFile = (stateFolder: string) => join(stateFolder, 'restored.json');

export function writeRestoration(stateFolder: string, restoration: Restoration): void {
  writeFileAtomic(restorationFile(stateFolder), `${JSON.stringify({ schema: 1, ...restoration })}\n`);
}

/** The last one; null where there was none. Throws for one that cannot be read: whoever asks says so. */
export function readRestoration(stateFolder: string): Restoration | null {
  try {
    return JSON.parse(readFileSync(restorationFile(stateFolder), 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
