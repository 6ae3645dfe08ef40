import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createRecoveryTeller } from '../../src/health/recovery.js';
import { openRecoveryLog, readRecoveries } from '../../src/heartbeat/recovery-log.js';
import { FakeClock } from '../support/fake-clock.js';
import { tempFolder } from '../support/temp-folder.js';

function tellerIn(folder: string) {
  const said: string[] = [];
  const say = (message: string) => said.push(message);
  const clock = new FakeClock();
  const teller = createRecoveryTeller(
    { info: say, warn: say, error: say },
    openRecoveryLog(folder, clock),
    clock,
  );
  return { teller, clock, said };
}

test('a recovery has a line when it begins and one when it is over, with the time it took', async () => {
  const folder = tempFolder();
  const { teller, clock, said } = tellerIn(folder);
  teller.notice({ cause: 'died', evidence: { pid: 12 } });
  teller.act('begun', 'the worker (PID 12) was ended by SIGKILL: starting another');
  await clock.advance(340);
  teller.settle(13);
  expect(readRecoveries(folder)).toMatchObject([
    { cause: 'died', evidence: { pid: 12 }, outcome: 'begun', tookMs: null },
    { cause: 'died', outcome: 'recovered', tookMs: 340 },
  ]);
  const [first, second] = readRecoveries(folder);
  expect(first?.recovery).toBe(second?.recovery);
  expect(said.every((line) => line.startsWith('🔄 RECOVERY: '))).toBe(true);
  teller.settle(13);
  expect(readRecoveries(folder)).toHaveLength(2);
});

test('a start that came to nothing is told as failed, and waiting for the same thing is told once', () => {
  const folder = tempFolder();
  const { teller } = tellerIn(folder);
  teller.notice({ cause: 'died', evidence: {} });
  teller.act('begun', 'starting another');
  teller.notice({ cause: 'held', evidence: {} });
  teller.act('waiting', 'another process holds the state folder');
  teller.act('waiting', 'another process holds the state folder');
  expect(readRecoveries(folder).map((line) => line.outcome)).toEqual(['begun', 'failed', 'waiting']);
});

test('a torn line is passed over, and a missing file has no lines', () => {
  const folder = tempFolder();
  expect(readRecoveries(folder)).toEqual([]);
  const { teller } = tellerIn(folder);
  teller.notice({ cause: 'died', evidence: {} });
  teller.act('begun', 'starting another');
  appendFileSync(join(folder, 'recovery.ndjson'), '{"at":"2026-');
  expect(readRecoveries(folder)).toHaveLength(1);
  expect(readFileSync(join(folder, 'recovery.ndjson'), 'utf8')).toContain('starting another');
});
