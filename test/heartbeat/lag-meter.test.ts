import { expect, test } from 'vitest';
import { createLagMeter } from '../../src/heartbeat/lag-meter.js';
import { systemClock } from '../../src/platform/clock.js';
import { FakeClock } from '../support/fake-clock.js';
import { until } from '../support/until.js';

test('a loop that was blocked shows in the maximum, and an idle one in the median', async () => {
  let turns = 0;
  const meter = createLagMeter(systemClock, () => {
    turns += 1;
  });
  meter.start();
  await until(() => turns === 1);
  const end = performance.now() + 700;
  while (performance.now() < end);
  await until(() => turns >= 3);
  meter.stop();
  const lag = meter.percentiles();
  expect(lag.maxMs).toBeGreaterThan(150);
  expect(lag.p50Ms).toBeLessThan(lag.maxMs);
});

test('a meter that is stopped takes no more turns', async () => {
  const clock = new FakeClock();
  let turns = 0;
  const meter = createLagMeter(clock, () => {
    turns += 1;
  });
  meter.start();
  await clock.advance(2_000);
  expect(turns).toBe(4);
  meter.stop();
  await clock.advance(2_000);
  expect(turns).toBe(4);
});
