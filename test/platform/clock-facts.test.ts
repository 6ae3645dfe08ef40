import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { readClockFacts } from '../../src/platform/clock-facts.js';
import { tempFolder } from '../support/temp-folder.js';

/** What the kernel and the system of some machine would tell, as files. */
function machine(files: Readonly<Record<string, string>>) {
  const root = tempFolder();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return readClockFacts({ proc: join(root, 'proc'), sys: join(root, 'sys'), run: join(root, 'run') });
}

const CHIP = 'sys/class/rtc/rtc0/since_epoch';
const IN_2026 = `${Date.UTC(2026, 5, 1) / 1_000}\n`;

test('a machine that tells nothing has no chip, says nothing of being synchronised, and is not young', () => {
  expect(machine({})).toEqual({
    hasChip: false,
    synchronised: 'unsaid',
    upMs: Number.POSITIVE_INFINITY,
  });
});

test('the uptime is that of the kernel', () => {
  expect(machine({ 'proc/uptime': '93.25 180.12\n' }).upMs).toBe(93_250);
});

test.each([
  ['keeps a time of today', { [CHIP]: IN_2026 }, true],
  ['is the second one', { [CHIP]: '7\n', 'sys/class/rtc/rtc1/since_epoch': IN_2026 }, true],
  ['has no battery, and began anew', { [CHIP]: '12\n' }, false],
  ['does not answer', { 'sys/class/rtc/rtc0/name': 'ds1307' }, false],
])('of a chip that %s', (_what, files, expected) => {
  expect(machine(files).hasChip).toBe(expected);
});

test('systemd says whether it is synchronised; where it does not run, nobody does', () => {
  expect(machine({ 'run/systemd/timesync/clock': '' }).synchronised).toBe('no');
  expect(machine({ 'run/systemd/timesync/synchronized': '' }).synchronised).toBe('yes');
  expect(machine({ 'run/systemd/sessions/1': '' }).synchronised).toBe('unsaid');
});

test('the machine that this runs on can be asked', () => {
  expect(readClockFacts().upMs).toBeGreaterThan(0);
});
