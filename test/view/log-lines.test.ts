import { expect, test } from 'vitest';
import { painter } from '../../src/view/colour.js';
import { formatLogLine, logLineJson } from '../../src/view/log-lines.js';

const plain = painter(false);
const line = (entry: object) => formatLogLine(JSON.stringify(entry), plain);
const time = '2026-01-01T12:00:05.123Z';

test('a log line is shown with its time, level, message and fields', () => {
  expect(line({ level: 40, time, msg: 'slow', task: 'implement', ms: 12, why: 'a b' })).toMatch(
    /^2026-01-01 \d\d:\d\d:05 WARN {2}slow {2}task=implement {2}ms=12 {2}why="a b"$/,
  );
});

test('an error is shown with its stack, one line each', () => {
  const shown = line({
    level: 50,
    time,
    msg: 'failed',
    err: { message: 'x', stack: 'Error: x\n    at y (z.js:1)' },
  });
  expect(shown.split('\n').slice(1)).toEqual(['    Error: x', '        at y (z.js:1)']);
});

test('nothing in a log line can move the cursor', () => {
  const shown = line({
    level: 30,
    time,
    msg: 'a\x1b[2J\n',
    'k\x07': '\u202e',
    err: { stack: 'E\x1b[31m\rx' },
  });
  expect(shown).toContain('a\\x1b[2J\\n');
  expect(shown).not.toMatch(/[\x00-\x09\x0b-\x1f\u202e]/);
});

test('what is no JSON passes through, escaped, and is JSON where JSON is wanted', () => {
  expect(formatLogLine('node: bad option\x1b[31m', plain)).toBe('node: bad option\\x1b[31m');
  expect(formatLogLine('{"level":30,"msg":"cut o', plain)).toBe('{"level":30,"msg":"cut o');
  expect(JSON.parse(logLineJson('node: bad option'))).toEqual({ msg: 'node: bad option' });
  expect(logLineJson('{"level":30}')).toBe('{"level":30}');
});

test('a line without a readable time or level is shown all the same', () => {
  expect(line({ msg: 'x', time: 'yesterday', level: 'loud' })).toMatch(/^-\s+INFO {2}x$/);
});
