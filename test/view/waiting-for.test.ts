import { expect, test } from 'vitest';
import { PLACES, type Place } from '../../src/job/job.js';
import { waitingFor, waitingText } from '../../src/view/waiting-for.js';

const running = {
  verdict: 'running' as const,
  waiting: [{ task: 'build', reason: 'slots' as const, jobs: 3 }],
  slots: [{ slot: 0, state: 'working' as const, job: '9', orphanPids: [4711] }],
  outages: [],
  clock: null,
  endsKept: [],
};
const away = {
  ...running,
  waiting: [{ task: 'build', reason: 'breaker' as const, jobs: 3 }],
  outages: [
    {
      id: '1',
      dependency: 'model',
      sinceMs: 0,
      untilMs: null,
      cause: 'exit 69',
      held: 3,
      evidence: null,
      casualties: 0,
      trial: { retryAtMs: 9, lastFailure: null, tasks: ['build'] },
    },
  ],
};
const suspect = {
  ...running,
  clock: { state: 'suspect' as const, why: 'behind', forMs: 1, believedInMs: 9 },
};
const believed = { ...running, clock: { state: 'believed' as const, why: 'behind', forMs: 9 } };
const job = { id: '1', place: 'ready' as Place, parkedBy: null, task: 'build', attempts: 0 };

test.each([
  [{ ...job, place: 'scheduled' }, running, 'time'],
  [{ ...job, place: 'scheduled', attempts: 2 }, running, 'backoff'],
  [{ ...job, place: 'scheduled' }, suspect, 'clock'],
  [{ ...job, place: 'scheduled', attempts: 2 }, suspect, 'backoff'],
  [{ ...job, place: 'scheduled' }, believed, 'time'],
  [job, suspect, 'slots'],
  [{ ...job, place: 'parked', parkedBy: 'group' }, running, 'group'],
  [{ ...job, place: 'parked', parkedBy: 'predecessor' }, running, 'predecessor'],
  [job, running, 'slots'],
  [{ ...job, task: 'other' }, running, null],
  [job, away, 'breaker'],
  [{ ...job, place: 'scheduled', attempts: 2 }, away, 'breaker'],
  [{ ...job, place: 'scheduled' }, away, 'time'],
  [{ ...job, place: 'scheduled', attempts: 2, task: 'other' }, away, 'backoff'],
  [job, { ...running, verdict: 'stopped' }, 'worker'],
  [job, { ...running, waiting: [{ task: 'build', reason: 'group', jobs: 1 }] }, null],
] as const)('a job %o waits in %o for %s', (waiting, snapshot, reason) => {
  expect(waitingFor(waiting, snapshot)).toBe(reason);
});

test('what runs or has ended waits for nothing', () => {
  for (const place of ['running', 'completed', 'failed', 'cancelled', 'expired'] as const) {
    expect(waitingFor({ ...job, place }, running)).toBeNull();
  }
  expect(Object.keys(PLACES)).toHaveLength(8);
});

test('a running job whose dead worker left what cannot be killed waits for that', () => {
  expect(waitingFor({ ...job, id: '9', place: 'running' }, running)).toBe('orphan');
});

test('a job whose attempt is over waits for its end to be written down, unless it runs again', () => {
  const snapshot = { ...running, endsKept: [{ job: '8', workspace: 'default', task: 'build', attempt: 2 }] };
  const ended = { ...job, id: '8', place: 'running' as const, attempts: 2 };
  expect(waitingFor(ended, snapshot)).toBe('end');
  expect(waitingFor({ ...ended, attempts: 3 }, snapshot)).toBeNull();
  expect(waitingFor({ ...ended, id: '7' }, snapshot)).toBeNull();
});

test('a reason that this program does not know is shown as it is', () => {
  expect(waitingText('moonlight')).toBe('moonlight');
});
