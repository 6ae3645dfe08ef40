import { expect, test } from 'vitest';
import { painter } from '../../src/view/colour.js';
import { jobRemark } from '../../src/view/jobs-table.js';
import { queueScreen } from '../../src/view/queue-screen.js';
import { remedyFor } from '../../src/view/remedy.js';
import { readingLines, sourceTable, waitingLines } from '../../src/view/screen-parts.js';
import { composeSnapshot, type SystemSnapshot } from '../../src/view/snapshot.js';
import { tempFolder } from '../support/temp-folder.js';
import { aJob } from './queue-monitor/crowded.js';

const layout = { columns: 120, paint: painter(false), remedy: remedyFor(undefined) };
const nothing = () => composeSnapshot(tempFolder(), { status: 'missing' }, 1_000_000);
const source = {
  name: 'ideas',
  records: 3,
  rejected: 0,
  lastPollMs: 1_000,
  problem: null,
  waitingFiles: 1,
  states: null,
};

function polledBy(beatAgeMs: number | null): string | undefined {
  const snapshot: SystemSnapshot = {
    ...nothing(),
    worker: { ...nothing().worker, beatAgeMs },
    sources: [source],
  };
  return sourceTable(snapshot, layout)[1];
}

test('how long before the last beat a source was polled is said, and nothing of a worker that is gone', () => {
  expect(polledBy(12_000)).toBe('ideas         3         0  1s before the beat  1 file is being written');
  expect(polledBy(null)).toMatch(/ 0 {2}- /);
});

test('a file that is being written is told also of a source that has a problem, and is not cut off with it', () => {
  const problem = 'link.json: it is a symbolic link: set followSymlinks if it may be followed';
  const [, line = ''] = sourceTable({ ...nothing(), sources: [{ ...source, problem }] }, layout);
  expect(line).toContain('1 file is being written · ⚠️ link.json: it is a symbolic link');
});

test('a job that runs neither here nor provably anywhere else says so', () => {
  const snapshot = { ...nothing(), verdict: 'running' as const };
  expect(jobRemark(aJob(1, { place: 'running', isElsewhere: true }), snapshot)).toContain(
    'the end of its lease',
  );
  expect(jobRemark(aJob(1, { place: 'running' }), snapshot)).toBe('');
});

test('a reason that is one word says what it means', () => {
  const failed = aJob(1, { place: 'failed', reason: 'integrity' });
  expect(jobRemark(failed, nothing())).toBe('integrity: its stored payload no longer matches its hash');
});

test('a task that the config no longer has is not to be resumed', () => {
  const snapshot: SystemSnapshot = {
    ...nothing(),
    tasks: [
      {
        workspace: 'default',
        task: 'gone',
        paused: false,
        places: {
          scheduled: 0,
          ready: 1,
          parked: 0,
          running: 0,
          completed: 0,
          failed: 0,
          cancelled: 0,
          expired: 0,
        },
      },
    ],
    waiting: [{ task: 'gone', reason: 'paused', jobs: 1 }],
  };
  expect(waitingLines(snapshot, layout)).toEqual([
    '1 job of gone: the worker runs no such task: its config has none of this name',
  ]);
});

test('a running job whose dead worker left what cannot be killed is told, with the command that shows it', () => {
  const slots = [{ slot: 0, state: 'working' as const, job: '17', task: 'build', orphanPids: [4711, 4712] }];
  expect(waitingLines({ ...nothing(), slots }, layout)).toEqual([
    'Job 17 of build: its worker died, and what that had started cannot be killed; it stays running until that is gone. Look at it with: ps -o pid,stat,wchan,cmd -p 4711,4712',
  ]);
});

test('a backlog that is being read is told of with how far it has come, in the table and above the queue', () => {
  const reading = { unit: 'bytes' as const, done: 41 * 1024 ** 2, total: 100 * 1024 ** 2 };
  const snapshot: SystemSnapshot = {
    ...nothing(),
    verdict: 'running',
    sources: [
      { ...source, reading },
      { ...source, name: 'drops', reading: { unit: 'files', done: 1_500, total: 100_000 } },
      { ...source, name: 'quiet' },
    ],
  };
  expect(sourceTable(snapshot, layout)[1]).toMatch(/reading, 41 % of 100 MB$/);
  expect(readingLines(snapshot)).toEqual([
    '📖 ideas: reading, 41 % of 100 MB',
    '📖 drops: reading, 1 % of 100,000 files',
  ]);
  expect(queueScreen(snapshot, { next: [], failed: [] }, layout)).toContain(
    '📖 ideas: reading, 41 % of 100 MB',
  );
  expect(readingLines({ ...snapshot, verdict: 'dead' })).toEqual([]);
});
