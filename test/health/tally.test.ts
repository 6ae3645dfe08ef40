import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openTally, readTally } from '../../src/health/tally.js';
import { tempFolder } from '../support/temp-folder.js';

const never = (error: unknown) => {
  throw error;
};

test('a monitor that is started anew counts on where the last one stopped', () => {
  const folder = tempFolder();
  const first = openTally(folder, never);
  first.addFruitless(1_000);
  first.addFruitless(2_000);
  const second = openTally(folder, never);
  expect(second.inARow()).toBe(2);
  second.clear();
  expect(openTally(folder, never).inARow()).toBe(0);
});

test('a request that was not seen before begins a new count, and giving up lasts until then', () => {
  const folder = tempFolder();
  const tally = openTally(folder, never);
  expect(tally.beginRequest('first')).toBe(true);
  tally.addFruitless(1_000);
  tally.giveUp();
  tally.setPhase('gave-up', 'ten starts came to nothing', 5_000);
  const heir = openTally(folder, never);
  expect(heir.beginRequest('first')).toBe(false);
  expect(heir.current().gaveUp).toBe(true);
  expect(heir.beginRequest('second')).toBe(true);
  expect(heir.current()).toMatchObject({ phase: 'starting', why: '', gaveUp: false, fruitlessAtMs: [] });
});

test('only ends within the window count against the limit, and times that lie ahead count for nothing', () => {
  const tally = openTally(tempFolder(), never);
  for (const atMs of [1_000, 50_000, 90_000, 5_000_000]) tally.addFruitless(atMs);
  expect(tally.inWindow(100_000, 60_000)).toBe(2);
});

test('what the monitor waits for can be read by others', () => {
  const folder = tempFolder();
  openTally(folder, never).setPhase('gave-up', 'ten starts came to nothing', 5_000);
  expect(readTally(folder)).toMatchObject({
    phase: 'gave-up',
    why: 'ten starts came to nothing',
    retryAtMs: 5_000,
  });
});

test('a damaged tally is not believed, and a folder that cannot be written is told', () => {
  const folder = tempFolder();
  writeFileSync(join(folder, 'restarts.json'), '{"schema":1,"phase":"elsewhere"}');
  expect(readTally(folder)).toBeNull();
  const told: unknown[] = [];
  const tally = openTally(join(folder, 'nowhere'), (error) => told.push(error));
  tally.addFruitless(1);
  expect(told).toHaveLength(1);
  expect(tally.inARow()).toBe(1);
});
