import { expect, test } from 'vitest';
import { type BackupFacts, backupCheck } from '../../src/health/check-backups.js';
import { defaultSettings } from '../../src/heartbeat/settings.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

async function check(facts: Partial<BackupFacts>, backups?: { everyMs: number; keep: number }) {
  const settings = { ...defaultSettings('/state', '/c.yaml'), ...(backups === undefined ? {} : { backups }) };
  const [one] = await backupCheck(settings, async () => ({
    backups: [],
    databaseAgeMs: null,
    ...facts,
  })).run();
  return one;
}

const daily = { everyMs: DAY_MS, keep: 3 };

test('the newest backup is told with its age, and warned of when it is two periods old', async () => {
  const aged = (ageMs: number) => check({ backups: [{ ageMs, sizeBytes: 2 * 1024 * 1024 }] }, daily);
  expect(await aged(7 * HOUR_MS)).toMatchObject({ status: 'ok', text: 'newest 7h old (2.0 MB), 1 kept' });
  expect(await aged(49 * HOUR_MS)).toMatchObject({ status: 'warning', remedy: 'dogged logs' });
});

test('that there is none yet is well for a young database, and a warning for an old one', async () => {
  expect(await check({ databaseAgeMs: HOUR_MS }, daily)).toMatchObject({ status: 'ok', text: 'none yet' });
  expect(await check({ databaseAgeMs: 3 * DAY_MS }, daily)).toMatchObject({ status: 'warning' });
});

test('where none are wanted, or nobody has said, it counts for nothing', async () => {
  expect(await check({ databaseAgeMs: 9 * DAY_MS }, { ...daily, keep: 0 })).toMatchObject({
    status: 'not-applicable',
  });
  expect(await check({})).toMatchObject({ status: 'not-applicable' });
});
