import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { AlertRecord } from '../../../src/health/alerts/alert-book.js';
import { BLANK_MEMORY } from '../../../src/health/alerts/notice.js';
import { alertsCheck } from '../../../src/health/check-alerts.js';
import { defaultSettings } from '../../../src/heartbeat/settings.js';
import { stateFiles } from '../../../src/heartbeat/state-files.js';
import { tempFolder } from '../../support/temp-folder.js';

const NOW = Date.UTC(2026, 0, 1, 12);
const MINUTE_MS = 60_000;

async function checked(records: readonly Partial<AlertRecord>[] | string | null) {
  const stateFolder = tempFolder();
  const unused = {
    label: 'exec sh',
    lastSentAtMs: null,
    lastFailedAtMs: null,
    lastFailure: null,
    waiting: [],
  };
  if (records !== null) {
    const book =
      typeof records === 'string'
        ? records
        : JSON.stringify({
            schema: 1,
            memory: BLANK_MEMORY,
            records: records.map((record) => ({ ...unused, ...record })),
          });
    writeFileSync(stateFiles(stateFolder).alerts, book);
  }
  const alerts = [{ on: ['stuck'], via: { kind: 'exec', argv: ['sh'] } }] as const;
  const settings = { ...defaultSettings(stateFolder, '/srv/dogged.config.yaml'), alerts };
  const [result] = await alertsCheck(settings, stateFolder, NOW).run();
  return [result?.status, result?.text, result?.remedy];
}

test('without alerts the check means nothing', async () => {
  const settings = defaultSettings('/nowhere', '/srv/dogged.config.yaml');
  expect(await alertsCheck(settings, '/nowhere', NOW).run()).toMatchObject([{ status: 'not-applicable' }]);
});

test('it says when the last alert arrived, and what is still to be sent', async () => {
  expect(await checked(null)).toEqual(['ok', '1 configured, none sent yet', null]);
  const event = { kind: 'stuck', phase: null, subject: null, count: 1, what: 'x', atMs: NOW } as const;
  const waiting = [{ event, unsent: 0 }];
  expect(await checked([{ lastSentAtMs: NOW - 5 * MINUTE_MS, lastFailedAtMs: 1, waiting }])).toEqual([
    'ok',
    '1 configured, last sent 5m ago, 1 alert to be sent',
    null,
  ]);
});

test('it warns while the last alert to somebody did not arrive, and when the book cannot be read', async () => {
  const failing = {
    lastSentAtMs: 1,
    lastFailedAtMs: NOW - MINUTE_MS,
    lastFailure: `exit 1: ${'x'.repeat(999)}`,
  };
  const [status, text, remedy] = await checked([{ lastSentAtMs: NOW }, failing]);
  expect([status, remedy]).toEqual(['warning', 'dogged health --test-alerts']);
  expect(text).toMatch(/^exec sh failed 1m ago: exit 1: x{100,192}$/);
  expect((await checked('{"schema":2}'))[0]).toBe('warning');
});
