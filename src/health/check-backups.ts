import type { Settings } from '../heartbeat/settings.js';
import { durationText, sizeText } from '../platform/duration-text.js';
import { type Check, type CheckResult, result } from './check.js';

/** Handed in: health looks into no store. */
interface BackupFact {
  readonly ageMs: number;
  readonly sizeBytes: number;
}

export interface BackupFacts {
  /** The newest first. */
  readonly backups: readonly BackupFact[];
  /** How long there has been a database to copy; null without one. */
  readonly databaseAgeMs: number | null;
}

/** One that is late by a whole period was not made when it should have been. */
const LATE_PERIODS = 2;

export function backupCheck({ backups: wanted }: Settings, readFacts: () => Promise<BackupFacts>): Check {
  return { name: 'backups', run: async () => [judge(wanted, await readFacts())] };
}

function judge(wanted: Settings['backups'], { backups, databaseAgeMs }: BackupFacts): CheckResult {
  const say = (status: CheckResult['status'], text: string, remedy: string | null = null) =>
    result('backups', 'Backups', status, text, remedy);
  const newest = backups[0];
  const found =
    newest === undefined
      ? 'none yet'
      : `newest ${durationText(newest.ageMs)} old (${sizeText(newest.sizeBytes)}), ${backups.length} kept`;
  if (wanted === undefined) return say('not-applicable', `${found}; no worker has said how often`);
  if (wanted.keep === 0) return say('not-applicable', `${found}; none are wanted (backups.keep is 0)`);
  const ageMs = newest?.ageMs ?? databaseAgeMs;
  if (ageMs === null || ageMs <= LATE_PERIODS * wanted.everyMs) return say('ok', found);
  return say('warning', `${found}, one is wanted every ${durationText(wanted.everyMs)}`, 'dogged logs');
}
