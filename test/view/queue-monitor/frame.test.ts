import { expect, test } from 'vitest';
import { painter } from '../../../src/view/colour.js';
import { plainLine } from '../../../src/view/fit-lines.js';
import { composeFrame } from '../../../src/view/queue-monitor/frame.js';
import { jobLines } from '../../../src/view/queue-monitor/job-lines.js';
import { FIRST_STATE, type MonitorState } from '../../../src/view/queue-monitor/monitor-state.js';
import { remedyFor } from '../../../src/view/remedy.js';
import type { Layout } from '../../../src/view/screen-parts.js';
import { composeSnapshot } from '../../../src/view/snapshot.js';
import { textWidth } from '../../../src/view/text-width.js';
import { aJob, crowdedLook, HOSTILE, NOW } from './crowded.js';

const layout = (columns: number, colour = true): Layout => ({
  columns,
  paint: painter(colour),
  remedy: remedyFor('some/other/dogged.config.yaml'),
});

const jobs = Array.from({ length: 60 }, (_, n) =>
  aJob(900 - n, { key: n % 2 === 0 ? HOSTILE : `idea ${n}` }),
);
const full: MonitorState = { ...FIRST_STATE, page: { jobs, hasNewer: true, hasOlder: true }, cursor: 1 };

function draw(state: MonitorState, columns: number, rows: number, colour = true): string[] {
  const { panel, body, foot } = composeFrame(state, crowdedLook(), null, layout(columns, colour), rows);
  return [...panel, ...body, ...foot];
}

const SIZES = [
  [80, 23],
  [80, 39],
  [40, 9],
  [200, 60],
  [20, 3],
  [10, 1],
] as const;

const STATES: readonly (readonly [string, MonitorState])[] = [
  ['the list', full],
  ['a question', { ...full, asked: aJob(7, { key: HOSTILE.repeat(9) }) }],
  ['a filter that is typed', { ...full, draft: HOSTILE.repeat(9) }],
  ['a filter', { ...full, position: { filter: HOSTILE.repeat(3), top: null, shift: 0 } }],
  ['an error', { ...full, notice: { text: HOSTILE.repeat(9), isBad: true } }],
];

test.each(
  SIZES.flatMap(([columns, rows]) => STATES.map(([what, state]) => [columns, rows, what, state] as const)),
)('a terminal of %d × %d shows %s within its bounds, with nothing raw in it', (columns, rows, _, state) => {
  const lines = draw(state, columns, rows);
  expect(lines.length).toBeLessThanOrEqual(rows);
  for (const line of lines) {
    expect(textWidth(plainLine(line))).toBeLessThanOrEqual(columns);
    expect(plainLine(line)).not.toMatch(/[\x00-\x1f\u202e\u202c]/);
  }
});

test('the verdict comes first, the keys last, and the way out is told at every width', () => {
  for (const columns of [16, 40, 80, 200]) {
    const lines = draw(full, columns, 23).map(plainLine);
    expect(lines[0]).toContain('stuck');
    expect(lines.at(-1)).toMatch(/q quit$/);
  }
});

test('a low terminal leaves room for three jobs, and says of a slot what it does', () => {
  const lines = draw(full, 40, 9, false);
  expect(lines.filter((line) => line.includes('#'))).toHaveLength(3);
  expect(lines.filter((line) => line.startsWith('❯'))).toEqual([expect.stringContaining('#899')]);
});

test('what is left out of a part is counted', () => {
  expect(draw(full, 100, 50, false).filter((line) => /^… and \d+ more$/.test(line)).length).toBeGreaterThan(
    0,
  );
});

test('without colours no escape sequence is drawn, and the job under the cursor still stands out', () => {
  const lines = draw(full, 80, 23, false);
  expect(lines.join('')).not.toContain('\x1b');
  expect(lines.filter((line) => line.startsWith('❯ '))).toHaveLength(1);
});

test('before anything has run there is a sentence, and no table', () => {
  const look = {
    ...crowdedLook(),
    snapshot: composeSnapshot('/nowhere', { status: 'missing' }, NOW),
    lastFailed: null,
  };
  const { panel, body } = composeFrame(FIRST_STATE, look, null, layout(80, false), 23);
  expect(panel.join('\n')).toContain('not running');
  expect(panel.join('\n')).toContain('Nothing has run here yet.');
  expect(body).toEqual(['Jobs', '  none']);
});

test('a database that cannot be read is said to be so, and is not taken for an empty one', () => {
  const failed = { status: 'failed' as const, why: 'it is damaged' };
  const look = { ...crowdedLook(), snapshot: composeSnapshot('/nowhere', failed, NOW), lastFailed: null };
  const { panel, body } = composeFrame(FIRST_STATE, look, null, layout(80, false), 23);
  expect(panel.join('\n')).toContain('it is damaged');
  expect(panel.join('\n')).not.toContain('Nothing has run');
  expect(body).toEqual(['Jobs', '  not known']);
});

test('a Redis that takes no jobs is told, and that what waits for it goes on by itself', () => {
  const redis = {
    waiting: 12,
    elsewhere: 2,
    address: `redis://${HOSTILE}:6379/0`,
    problem: `it is full: ${HOSTILE}`,
    problemSinceMs: NOW - 60_000,
    claimable: null,
    guests: [],
  };
  const snapshot = { ...composeSnapshot('/nowhere', { status: 'missing' }, NOW), redis };
  const look = { ...crowdedLook(), snapshot, lastFailed: null };
  const { panel } = composeFrame(FIRST_STATE, look, null, layout(80, false), 39);
  const text = panel.join(' ').replace(/ +/g, ' ');
  expect(text).toContain('2 jobs of ours run at other machines');
  expect(text).toMatch(/takes nothing for 1m: it is full.*jobs wait here, and go on when that is over/);
  expect(text).not.toContain('\x1b');
});

test('an open job shows the part that it is scrolled to, with every character of a long line', () => {
  const output = Array.from({ length: 40 }, (_, n) => `line ${n}`).join('\n');
  const details = {
    ...aJob(5, { place: 'completed', endedAtMs: NOW }),
    history: [
      {
        kind: 'attempt' as const,
        atMs: NOW - 10,
        attempt: 1,
        endedAtMs: NOW,
        outcome: 'done' as const,
        reason: null,
        exitCode: 0,
        signal: null,
        stdout: `${output}\n${'0123456789'.repeat(20)}\ta`,
        stderr: null,
      },
    ],
  };
  const look = { ...crowdedLook(), open: details };
  const lines = jobLines(details, look.snapshot, layout(50, false));
  const text = lines.map((line) => line.replace(/^ {2}│ /, '')).join('');
  expect(text).toContain('0123456789'.repeat(20));
  const open = { ...full, open: details, scroll: 10_000 };
  const { body, foot, shown } = composeFrame(open, look, lines, layout(50, false), 20);
  expect(body).toEqual(lines.slice(-shown.jobRows));
  expect(foot.at(-1)).toContain('Esc back');
});
