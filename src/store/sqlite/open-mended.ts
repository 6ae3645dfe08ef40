import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DoggedError } from '../../job/errors.js';
import type { Clock } from '../../platform/clock.js';
import type { MendedStore, Restoration } from '../care.js';
import type { StoreEvents, Upgrade } from '../engine.js';
import { type DamageNote, noteDamage, readDamageNote, writeDamageNote } from './damage-note.js';
import { openSqliteStore } from './open.js';
import { readRestoration } from './restoration.js';
import { finishMove, restore } from './restore.js';
import { runCareProcess } from './run-care-process.js';
import type { SqliteStore } from './store.js';

/** A check of pages takes about a second per 100 MB, minutes on a slow card: what SQLite itself has said must do then. */
const CHECK_WITHIN_MS = 45_000;
/** An alarm that a check does not bear out may be a bad read; the second is not taken for one. */
const ALARMS_BELIEVED = 2;

/** See `openMendedStore`. */
export async function openMended(
  stateFolder: string,
  clock: Clock,
  events: Required<Pick<StoreEvents, 'onDamage' | 'onStorage'>>,
): Promise<Pick<MendedStore, 'upgrade' | 'restoration'> & { readonly store: SqliteStore }> {
  const before = await mendBeforeOpening(stateFolder, clock);
  let upgrade: Upgrade | null = null;
  const open = () =>
    openSqliteStore(stateFolder, 'worker', clock, {
      onUpgrade: (done) => {
        upgrade = done;
      },
      onDamage: (error) => {
        couldNote(stateFolder, error);
        events.onDamage(error);
      },
      onStorage: events.onStorage,
    });
  try {
    return { store: await open(), upgrade, restoration: before };
  } catch (error) {
    if (!(error instanceof DoggedError && error.code === 'STORE_DAMAGED')) throw error;
    const restoration = restore(stateFolder, error.message, clock.wallMs());
    return { store: await open(), upgrade, restoration };
  }
}

async function mendBeforeOpening(stateFolder: string, clock: Clock): Promise<Restoration | null> {
  const file = join(stateFolder, 'dogged.db');
  const note = readDamageNote(stateFolder);
  if (note?.move) {
    finishMove(stateFolder, note.move.damagedAs);
    return readRestoration(stateFolder);
  }
  // Written once a worker has had a store here: what is empty now was not empty then.
  const wasUsed = existsSync(join(stateFolder, 'settings.json'));
  if (wasUsed && statSync(file, { throwIfNoEntry: false })?.size === 0) {
    return restore(stateFolder, 'it has been cut to nothing', clock.wallMs());
  }
  if (note === null || !note.pending) return null;
  const damage = await lookInto(note, file);
  if (damage !== null) return restore(stateFolder, damage, clock.wallMs());
  writeDamageNote(stateFolder, { ...note, pending: false });
  return null;
}

async function lookInto(note: DamageNote, file: string): Promise<string | null> {
  if (note.alarms >= ALARMS_BELIEVED) return note.detail;
  try {
    const found = await runCareProcess(['check', file], AbortSignal.timeout(CHECK_WITHIN_MS));
    return found === null ? null : `${note.detail} (${found})`;
  } catch (error) {
    return `${note.detail} (it could not be checked: ${(error as Error).message})`;
  }
}

/** False when there is no room for a note: the next start meets the same damage, and is told by SQLite itself. */
function couldNote(stateFolder: string, error: DoggedError): boolean {
  try {
    noteDamage(stateFolder, error.message);
    return true;
  } catch {
    return false;
  }
}
