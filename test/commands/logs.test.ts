import { appendFileSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { lastLines, linesAfter } from '../../src/commands/log-files.js';
import { RotatingFile } from '../../src/platform/rotating-file.js';
import { tempFolder } from '../support/temp-folder.js';
import { bench } from './in-process.js';

const entry = (n: number) =>
  `${JSON.stringify({ level: 30, time: '2026-01-01T00:00:00.000Z', msg: `line ${n}` })}\n`;
const numbers = (lines: readonly string[]) => lines.map((line) => Number(/line (\d+)/.exec(line)?.[1]));
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

describe('the last lines of a log', () => {
  test('are found across rotated files, oldest first', () => {
    const path = join(tempFolder(), 'worker.log');
    const file = new RotatingFile({ path, sizeBytes: 500, keep: 5 });
    for (const n of range(1, 30)) file.write(entry(n));
    expect(numbers(lastLines(path, 20).lines)).toEqual(range(11, 30));
    expect(numbers(lastLines(path, 1_000).lines).at(-1)).toBe(30);
    expect(lastLines(path, 0).lines).toEqual([]);
  });

  test('cost no reading of a large file, and are whole', () => {
    const path = join(tempFolder(), 'worker.log');
    writeFileSync(path, range(1, 20_000).map(entry).join(''));
    expect(numbers(lastLines(path, 3).lines)).toEqual([19_998, 19_999, 20_000]);
    expect(numbers(lastLines(path, 5_000).lines)).toEqual(range(15_001, 20_000));
  });

  test('are none where there is no log', () => {
    expect(lastLines(join(tempFolder(), 'none.log'), 5)).toEqual({ lines: [], cursor: null });
  });
});

describe('following a log', () => {
  test('shows each line once, however often the log is rotated between two looks', () => {
    const path = join(tempFolder(), 'worker.log');
    const file = new RotatingFile({ path, sizeBytes: 300, keep: 9 });
    file.write(entry(1));
    let { cursor } = lastLines(path, 1);
    const seen: number[] = [];
    let next = 2;
    for (const burst of [1, 2, 5, 0, 17, 3]) {
      for (let i = 0; i < burst; i += 1) file.write(entry(next++));
      const part = linesAfter(path, cursor);
      cursor = part.cursor;
      seen.push(...numbers(part.lines));
    }
    expect(seen).toEqual(range(2, next - 1));
  });

  test('waits for the end of a line that is half written', () => {
    const path = join(tempFolder(), 'worker.log');
    writeFileSync(path, 'one\ntw');
    const { cursor } = lastLines(path, 1);
    expect(linesAfter(path, cursor).lines).toEqual([]);
    appendFileSync(path, 'o\nthree\n');
    expect(linesAfter(path, cursor).lines).toEqual(['two', 'three']);
  });

  test('begins with a log that comes into being, and begins anew with one that was emptied', () => {
    const path = join(tempFolder(), 'worker.log');
    expect(linesAfter(path, null)).toEqual({ lines: [], cursor: null });
    writeFileSync(path, 'first\n');
    const { lines, cursor } = linesAfter(path, null);
    expect(lines).toEqual(['first']);
    writeFileSync(path, 'x\n');
    expect(linesAfter(path, cursor).lines).toEqual(['x']);
  });

  test('goes on in the middle of a rotation, when there is no current file', () => {
    const path = join(tempFolder(), 'worker.log');
    writeFileSync(path, 'one\n');
    const { cursor } = lastLines(path, 1);
    appendFileSync(path, 'two\n');
    renameSync(path, `${path}.1`);
    const part = linesAfter(path, cursor);
    expect(part.lines).toEqual(['two']);
    writeFileSync(path, 'three\n');
    expect(linesAfter(path, part.cursor).lines).toEqual(['three']);
  });
});

describe('dogged logs', () => {
  test('prints a log for people, or for machines, whatever stands in it', async () => {
    const place = bench();
    mkdirSync(place.stateFolder);
    writeFileSync(join(place.stateFolder, 'worker.log'), `${entry(1)}node: bad \x1b[31moption\n`);
    writeFileSync(join(place.stateFolder, 'health_monitor.log'), entry(2));
    const { code, stdout } = await place.run('logs');
    expect(code).toBe(0);
    expect(stdout).toMatch(/INFO {2}line 1\nnode: bad \\x1b\[31moption\n$/);
    expect(await place.json('logs')).toEqual([
      expect.objectContaining({ msg: 'line 1' }),
      { msg: 'node: bad \x1b[31moption' },
    ]);
    expect((await place.run('logs', '--monitor')).stdout).toContain('line 2');
    expect((await place.run('logs', '-n', '1')).stdout).toBe('node: bad \\x1b[31moption\n');
  });

  test('works with a broken config, and says where there is no log yet', async () => {
    const { code, stdout, stderr } = await bench('tasks: [').run('logs');
    expect([code, stdout]).toEqual([0, '']);
    expect(stderr).toMatch(/^There is no log yet at .*state\/worker\.log\n$/);
  });
});
