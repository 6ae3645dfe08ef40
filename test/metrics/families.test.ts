import { expect, test } from 'vitest';
import { counter, flag, gauge, histogram } from '../../src/metrics/family.js';
import { DURATION_BOUNDS, Histogram } from '../../src/metrics/histogram.js';
import { createNaming } from '../../src/metrics/naming.js';
import { renderMetrics } from '../../src/metrics/render.js';
import { storeFamilies } from '../../src/metrics/store-families.js';
import { withoutKeptEnds } from '../../src/policy/kept-ends.js';
import type { QueueCounts } from '../../src/store/read-contract.js';
import { parseMetrics } from './parse-metrics.js';

const HOSTILE = 'a"} 1\nevil{x="\\';

const places = {
  scheduled: 1,
  ready: 2,
  parked: 3,
  running: 4,
  completed: 5,
  failed: 6,
  cancelled: 7,
  expired: 8,
};
const NOTHING: QueueCounts = {
  total: places,
  tasks: [],
  sources: [],
  pausedAll: false,
  outages: [],
  oldestDueAtMs: null,
  nextScheduledAtMs: null,
};

test('a hostile name stays inside its label, and reads as what it is', async () => {
  const text = await renderMetrics([gauge('x', 'Of "one\\two"\nthree.', [[{ task: HOSTILE }, 1]])], {
    config: '/srv/a "b"\\c.yaml',
  });
  const { labels, samples } = parseMetrics(text);
  expect(samples.size).toBe(1);
  expect(labels).toEqual([{ task: HOSTILE, config: '/srv/a "b"\\c.yaml' }]);
});

test('a name that is taken from the database, where no worker has told its config, moves no cursor', () => {
  const naming = createNaming(null);
  expect(naming.task('\x1b[2Jnote')).toBe('\\x1b[2Jnote');
});

test('what the config no longer has is added up under other, and so is what comes after a hundred names', async () => {
  const names = { workspaces: ['w'], sources: [], dependencies: ['model'] };
  const tasks = Array.from({ length: 150 }, (_, n) => ({ name: `t${n}` }));
  const counts: QueueCounts = {
    ...NOTHING,
    tasks: ['t0', 't99', 't100', 'gone', 'gone too'].map((task) => ({
      workspace: 'w',
      task,
      paused: task === 'gone',
      places,
    })),
  };
  const { value, samples } = parseMetrics(
    await renderMetrics(storeFamilies(counts, createNaming({ tasks, names }), names.dependencies, 0)),
  );
  const failed = (task: string) => value('dogged_jobs', { workspace: 'w', task, state: 'failed' });
  expect([failed('t0'), failed('t99'), failed('other')]).toEqual([6, 6, 18]);
  expect(value('dogged_jobs', { workspace: 'w', task: 'other', state: 'pending' })).toBe(15);
  expect(value('dogged_task_paused', { workspace: 'w', task: 'other' })).toBe(1);
  expect([...samples.keys()].filter((key) => key.startsWith('dogged_jobs')).length).toBe(3 * 7);
});

test('a breaker is in one of three states, and a dependency that is not away is closed', async () => {
  const trial = { retryAtMs: 1_000, lastFailure: null, tasks: [] };
  const outage = {
    id: '1',
    dependency: 'model',
    sinceMs: 0,
    untilMs: null,
    cause: '',
    held: 3,
    evidence: null,
    casualties: 0,
    trial,
  };
  const dependencies = ['model', 'printer'];
  const naming = createNaming({ tasks: [], names: { workspaces: [], sources: [], dependencies } });
  const stateOf = async (dependency: string, nowMs: number) => {
    const families = storeFamilies({ ...NOTHING, outages: [outage] }, naming, dependencies, nowMs);
    const { value } = parseMetrics(await renderMetrics(families));
    return ['closed', 'open', 'half-open'].filter(
      (state) => value('dogged_breaker_state', { dependency, state }) === 1,
    );
  };
  expect(await stateOf('model', 999)).toEqual(['open']);
  expect(await stateOf('model', 1_000)).toEqual(['half-open']);
  expect(await stateOf('printer', 999)).toEqual(['closed']);
});

test('of Redis and of a mirror something is said only where there is one', async () => {
  const naming = createNaming(null);
  const tell = async (counts: QueueCounts) =>
    parseMetrics(await renderMetrics(storeFamilies(counts, naming, [], 0)));
  const alone = await tell(NOTHING);
  expect(
    [...alone.types.keys()].filter((name) => /redis|outbox|guest|elsewhere|dual|move/.test(name)),
  ).toEqual([]);

  const guest = { id: 'k-1', task: 'a', key: 'a', startedAtMs: 0 };
  const outbox = {
    waiting: 3,
    elsewhere: 2,
    address: 'redis://127.0.0.1:6379/0',
    problem: 'it is full',
    problemSinceMs: -60_000,
    claimable: null,
    guests: [guest],
  };
  const move = {
    target: 'redis://127.0.0.1:6379/0',
    source: 'sqlite',
    phase: 'dual',
    startedAtMs: 0,
    mirror: 'm',
    copiedTo: 0,
    copyUntil: null,
    behind: 7,
    verifiedAtMs: null,
    divergent: null,
    cutoverUntil: null,
    cutoverAtMs: null,
    problem: null,
    problemSinceMs: null,
    mirrorProblem: 'OOM',
    mirrorProblemSinceMs: -30_000,
  } as const;
  const { value, types } = await tell({ ...NOTHING, outbox, move });
  const of = (name: string) => value(`dogged_${name}`, {});
  expect([of('redis_up'), of('outbox_jobs'), of('elsewhere_jobs'), of('guest_jobs')]).toEqual([0, 3, 2, 1]);
  expect(of('redis_away_seconds')).toBe(60);
  expect(of('move_problem_seconds')).toBe(30);
  const inPhase = (phase: string) => value('dogged_move_phase', { phase });
  expect([inPhase('dual'), inPhase('cutover')]).toEqual([1, 0]);
  expect([of('dual_write_up'), of('dual_write_behind')]).toEqual([0, 7]);
  // Before anybody has looked, a 0 would be an invention.
  expect(types.has('dogged_dual_write_divergent_jobs')).toBe(false);
  const well = { ...move, mirrorProblem: null, mirrorProblemSinceMs: null, divergent: 2 };
  const back = { ...outbox, problem: null, problemSinceMs: null };
  const looked = await tell({ ...NOTHING, outbox: back, move: well });
  expect(looked.value('dogged_redis_away_seconds', {})).toBe(0);
  expect(looked.value('dogged_move_problem_seconds', {})).toBe(0);
  const unmirrored = await tell({ ...NOTHING, move: { ...well, phase: 'ending', mirror: null } });
  expect(unmirrored.value('dogged_move_phase', { phase: 'ending' })).toBe(1);
  expect(unmirrored.types.has('dogged_dual_write_up')).toBe(false);
  expect(looked.value('dogged_dual_write_divergent_jobs', {})).toBe(2);
  expect(looked.value('dogged_dual_write_up', {})).toBe(1);
});

test('a job whose end is only kept is not told as running', async () => {
  const line = { workspace: 'w', task: 'a', paused: false, places };
  const guests = [
    { id: 'k-1', task: 'a', key: 'a', startedAtMs: 0 },
    { id: 'k-2', task: 'a', key: 'b', startedAtMs: 0 },
  ];
  const outbox = {
    guests,
    waiting: 0,
    elsewhere: 0,
    address: '',
    problem: 'x',
    problemSinceMs: 0,
    claimable: 0,
  };
  const end = (job: string, task = 'a') => ({ job, workspace: 'w', task, attempt: 1 });
  const ends = [end('1'), end('2'), end('3', 'gone'), end('k-1')];
  const counts = withoutKeptEnds({ ...NOTHING, tasks: [line], outbox }, ends);
  expect(counts.total).toEqual({ ...places, running: 1 });
  const { value } = parseMetrics(await renderMetrics(storeFamilies(counts, createNaming(null), [], 0)));
  expect(value('dogged_jobs', { workspace: 'w', task: 'a', state: 'running' })).toBe(2);
  expect(value('dogged_guest_jobs', {})).toBe(1);
});

test('a value that is a bound falls below it, and one above all bounds is counted', async () => {
  const durations = new Histogram(DURATION_BOUNDS);
  for (const seconds of [0, 0.005, 0.0051, 36_000, 36_001]) durations.observe(seconds);
  const family = histogram('x_seconds', 'X.', DURATION_BOUNDS, [[{ task: 'a' }, durations.read()]]);
  const { value } = parseMetrics(await renderMetrics([family]));
  const upTo = (le: string) => value('x_seconds_bucket', { task: 'a', le });
  expect([upTo('0.005'), upTo('0.02'), upTo('36000'), upTo('+Inf')]).toEqual([2, 3, 4, 5]);
  expect(value('x_seconds_sum', { task: 'a' })).toBeCloseTo(72_001.0101);
});

test.each([
  ['a sample twice', 'x 1\nx 2\n'],
  ['a sample of nobody', 'y 1\n'],
  ['a quote that is not escaped', 'x{a="b"c"} 1\n'],
  ['a label twice', 'x{a="b",a="c"} 1\n'],
  ['no value', 'x \n'],
  ['a line without an end', 'x 1'],
])('the reader of these tests refuses %s', (_, samples) => {
  expect(() => parseMetrics(`# HELP x X.\n# TYPE x gauge\n${samples}`)).toThrow();
});

test('of a family without samples nothing is said, and flags of one bucket are not added up', async () => {
  const text = await renderMetrics([
    counter('x_total', 'X.', []),
    flag('y', 'Y.', [
      [{ task: 'other' }, true],
      [{ task: 'other' }, true],
    ]),
  ]);
  const { value, types } = parseMetrics(text);
  expect([...types.keys()]).toEqual(['y']);
  expect(value('y', { task: 'other' })).toBe(1);
});
