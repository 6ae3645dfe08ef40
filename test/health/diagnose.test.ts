import { expect, test } from 'vitest';
import { type Check, result } from '../../src/health/check.js';
import { DIAGNOSIS_EXIT, diagnose, diagnosisLines, summaryLine } from '../../src/health/diagnose.js';
import { systemClock } from '../../src/platform/clock.js';
import { FakeClock } from '../support/fake-clock.js';

const ok: Check = { name: 'worker', run: () => [result('worker', 'worker', 'ok', 'PID: 12345, up 3h 12m')] };
const warning: Check = {
  name: 'queue',
  run: () => [result('queue', 'Queue', 'warning', '41 pending, oldest 6m', 'dogged resume implement')],
};
const critical: Check = {
  name: 'disk',
  run: () => [result('disk', 'Disk', 'critical', '2 % free', 'dogged prune --older-than 30d')],
};
const notHere: Check = {
  name: 'redis',
  run: () => [result('redis', null, 'not-applicable', 'No Redis here')],
};
const failing: Check = {
  name: 'clock',
  run: () => {
    throw new Error('no such file');
  },
};

test('each check has its line with figure and mending command, and the verdict stands last', async () => {
  const lines = diagnosisLines(await diagnose([ok, warning, critical, notHere], systemClock));
  expect(lines).toEqual([
    '✅ worker            PID: 12345, up 3h 12m',
    '⚠️ Queue             41 pending, oldest 6m: dogged resume implement',
    '❌ Disk              2 % free: dogged prune --older-than 30d',
    '➖ No Redis here',
    '❌ SYSTEM UNHEALTHY - 1 critical, 1 warning',
  ]);
});

test.each([
  [[ok, notHere], 'healthy', 0, '✅ SYSTEM HEALTHY - All checks passed'],
  [[ok, warning], 'degraded', 1, '⚠️ SYSTEM DEGRADED - 1 warning'],
  [[ok, warning, warning], 'degraded', 1, '⚠️ SYSTEM DEGRADED - 2 warnings'],
  [[ok, critical], 'unhealthy', 2, '❌ SYSTEM UNHEALTHY - 1 critical'],
  [[ok, failing], 'unknown', 3, '❔ SYSTEM UNKNOWN - 1 unknown'],
  [[warning, failing], 'degraded', 1, '⚠️ SYSTEM DEGRADED - 1 warning, 1 unknown'],
] as const)('the verdict of %# is %s, with exit code %d', async (checks, verdict, exitCode, lastLine) => {
  const diagnosis = await diagnose(checks, systemClock);
  expect(diagnosis.verdict).toBe(verdict);
  expect(DIAGNOSIS_EXIT[diagnosis.verdict]).toBe(exitCode);
  expect(diagnosisLines(diagnosis).at(-1)).toBe(lastLine);
});

test('a check that blocks the process takes none of its neighbours with it', async () => {
  const blocking: Check = {
    name: 'database',
    run: () => {
      const end = performance.now() + 3_300;
      while (performance.now() < end);
      return [result('database', 'Database', 'critical', 'locked by another program')];
    },
  };
  const slow: Check = {
    name: 'config',
    run: async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return [result('config', 'Config', 'ok', 'valid')];
    },
  };
  const { checks } = await diagnose([slow, blocking, slow], systemClock);
  expect(checks.map((one) => one.status)).toEqual(['ok', 'critical', 'ok']);
});

test('a check that never answers is unknown, never a pass, and holds up no other', async () => {
  const clock = new FakeClock();
  const hanging: Check = { name: 'database', run: () => new Promise(() => undefined) };
  const diagnosing = diagnose([hanging, ok], clock);
  await clock.advance(3_000);
  expect((await diagnosing).checks).toMatchObject([
    { name: 'database', status: 'unknown', text: 'could not be checked: no answer within 3 s' },
    { name: 'worker', status: 'ok' },
  ]);
});

test('the first line is what a monitoring plugin shows: the verdict, and the worst first', async () => {
  const summary = async (checks: readonly Check[]) => summaryLine(await diagnose(checks, systemClock));
  expect(await summary([ok, notHere])).toBe('DOGGED OK - 1 check');
  expect(await summary([ok, warning, critical])).toBe(
    'DOGGED CRITICAL - Disk: 2 % free; Queue: 41 pending, oldest 6m',
  );
  expect(await summary([failing])).toBe('DOGGED UNKNOWN - Clock: could not be checked: no such file');
  const bar: Check = { name: 'x', run: () => [result('x', 'X', 'warning', 'a | b\nc')] };
  expect(await summary([bar])).toBe('DOGGED WARNING - X: a / b c');
  const long: Check = { name: 'x', run: () => [result('x', 'X', 'warning', 'y'.repeat(400))] };
  const line = await summary([long, critical, bar, warning, bar]);
  expect(line).toMatch(/^DOGGED CRITICAL - Disk: 2 % free; X: y{96}…; X: a \/ b c; and 2 more$/);
});
