import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../../platform/atomic-file.js';

/** What is known of a damaged database, over the end of the worker that found it. */
export interface DamageNote {
  readonly schema: 1;
  readonly detail: string;
  /** Alarms so far; those that a check did not bear out are counted, too. */
  readonly alarms: number;
  /** To be looked into at the next start. */
  readonly pending: boolean;
  /** The move that puts another database in its place has begun: it is finished, whatever happens. */
  readonly move: { readonly damagedAs: string; readonly from: string | null } | null;
}

const noteFile = (stateFolder: string) => join(stateFolder, 'damage.json');

/** null without one. One that cannot be read was written when something was wrong: it is an alarm. */
export function readDamageNote(stateFolder: string): DamageNote | null {
  try {
    return JSON.parse(readFileSync(noteFile(stateFolder), 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    return { schema: 1, detail: 'the note of it cannot be read', alarms: 1, pending: true, move: null };
  }
}

export function writeDamageNote(stateFolder: string, note: Omit<DamageNote, 'schema'>): void {
  writeFileAtomic(noteFile(stateFolder), `${JSON.stringify({ schema: 1, ...note })}\n`);
}

export function removeDamageNote(stateFolder: string): void {
  rmSync(noteFile(stateFolder), { force: true });
}

/** Notes that SQLite has called the database damaged. */
export function noteDamage(stateFolder: string, detail: string): void {
  const before = readDamageNote(stateFolder);
  writeDamageNote(stateFolder, { detail, alarms: (before?.alarms ?? 0) + 1, pending: true, move: null });
}
