import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ClockFacts } from '../../src/platform/clock-facts.js';
import { createLog } from '../../src/platform/log.js';
import type { ClockTrustRules } from '../../src/policy/clock-trust.js';
import { createClockWatch } from '../../src/upkeep/clock-watch.js';
import { FakeClock } from '../support/fake-clock.js';
import { tempFolder } from '../support/temp-folder.js';

const TODAY = Date.UTC(2026, 5, 1);

function watch(clock: FakeClock, lastTrustedMs: number | null, told: Partial<ClockFacts> = {}) {
  const file = join(tempFolder(), 'log');
  const facts: ClockFacts = { hasChip: false, synchronised: 'unsaid', upMs: 9e9, ...told };
  const machine = { facts, reads: 0 };
  const rules: ClockTrustRules = { trust: 'auto', timeoutMs: 120_000 };
  const clockWatch = createClockWatch({
    rules,
    lastTrustedMs,
    clock,
    log: createLog('info', { path: file, sizeBytes: 1_000_000, keep: 1 }),
    readFacts: () => {
      machine.reads += 1;
      return machine.facts;
    },
  });
  return { ...clockWatch, machine, logged: () => readFileSync(file, 'utf8') };
}

test('a clock before the stored time is suspect until the time-out, then believed with a warning, then trusted', async () => {
  const clock = new FakeClock(40_000);
  const one = watch(clock, TODAY);
  expect(one.isSuspect()).toContain('1970-01-01T00:00:40Z');
  await clock.advance(119_000);
  expect(one.distrust()).toMatchObject({ state: 'suspect', forMs: 119_000, believedInMs: 1_000 });
  await clock.advance(1_000);
  expect(one.isSuspect()).toBeNull();
  expect(one.distrust()).toMatchObject({ state: 'believed', forMs: 120_000 });
  expect(one.distrust()).not.toHaveProperty('believedInMs');
  clock.jumpWall(TODAY);
  expect(one.distrust()).toBeNull();
  expect(one.logged().match(/The wall clock is (not trusted|believed|trusted again)/g)).toEqual([
    'The wall clock is not trusted',
    'The wall clock is believed',
    'The wall clock is trusted again',
  ]);
});

test('a clock from before this program was written is suspect on a machine that never ran it', () => {
  expect(watch(new FakeClock(40_000), null).isSuspect()).toContain('1970');
  expect(watch(new FakeClock(TODAY), null).isSuspect()).toBeNull();
});

test('a clock that is set back while it is trusted becomes suspect; one that the machine calls synchronised does not', async () => {
  const clock = new FakeClock(TODAY);
  const alone = watch(clock, null);
  const synchronised = watch(clock, null, { synchronised: 'yes' });
  await clock.advance(60_000);
  for (const one of [alone, synchronised]) expect(one.isSuspect()).toBeNull();
  clock.jumpWall(-3_600_000);
  expect(alone.isSuspect()).not.toBeNull();
  expect(synchronised.isSuspect()).toBeNull();
});

test('a clock that was wrongly ahead is judged by its right time, once it is trusted with that', async () => {
  const clock = new FakeClock(TODAY);
  const one = watch(clock, TODAY + 86_400_000);
  expect(one.isSuspect()).not.toBeNull();
  await clock.advance(1_000);
  one.machine.facts = { ...one.machine.facts, synchronised: 'yes' };
  expect(one.isSuspect()).toBeNull();
  one.machine.facts = { ...one.machine.facts, synchronised: 'unsaid' };
  await clock.advance(5_000);
  expect(one.isSuspect()).toBeNull();
});

test('the machine is asked only while its clock is not trusted, and then once a second', async () => {
  const clock = new FakeClock(TODAY);
  const one = watch(clock, null, { synchronised: 'no', upMs: 1_000 });
  for (let look = 0; look < 100; look += 1) one.isSuspect();
  expect(one.machine.reads).toBe(1);
  await clock.advance(1_000);
  one.machine.facts = { ...one.machine.facts, synchronised: 'yes' };
  for (let look = 0; look < 100; look += 1) one.isSuspect();
  expect(one.machine.reads).toBe(2);
  await clock.advance(60_000);
  for (let look = 0; look < 100; look += 1) expect(one.isSuspect()).toBeNull();
  expect(one.machine.reads).toBe(2);
});
