import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { loadConfig } from '../../src/config/load.js';
import { askFigures, serveFigures } from '../../src/metrics/figures-line.js';
import { WorkerCounts } from '../../src/metrics/worker-counts.js';
import type { WorkerFigures } from '../../src/metrics/worker-figures.js';
import { systemClock } from '../../src/platform/clock.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';

const CONFIG = `
sources:
  nightly: { every: "0 3 * * *", task: tidy }
  notes: { log: ./notes.ndjson, key: title, task: note }
tasks:
  tidy: { run: ["true"] }
  note: { run: ["true"] }
`;

async function counting(): Promise<WorkerCounts> {
  const file = join(tempFolder(), 'dogged.config.yaml');
  writeFileSync(file, CONFIG);
  return new WorkerCounts(await loadConfig(file, {}));
}

function ended(task: string, kind: string, to = 'completed', tookMs = 1) {
  return { claim: { task }, report: { outcome: { kind }, startedAtMs: 0, endedAtMs: tookMs }, next: { to } };
}

const timed = ({ durations }: { durations: { counts: readonly number[] } } = { durations: { counts: [] } }) =>
  durations.counts.reduce((sum, count) => sum + count, 0);

test('an attempt is timed unless its worker died under it, and a clock that was set back makes no negative time', async () => {
  const counts = await counting();
  for (const kind of ['crashed', 'verified', 'damaged']) counts.ended(ended('note', kind, 'failed'));
  expect(timed(counts.read().tasks['note'])).toBe(0);
  counts.ended(ended('note', 'done', 'completed', -5_000));
  const { durations, attempts } = counts.read().tasks['note'] ?? {};
  expect([durations?.counts[0], durations?.sum, attempts]).toEqual([
    1,
    0,
    { crashed: 1, verified: 1, damaged: 1, done: 1 },
  ]);
});

test('an attempt after which the job waits is a retry, but not where the job was only given back', async () => {
  const counts = await counting();
  counts.ended(ended('note', 'failed', 'pending'));
  counts.ended(ended('note', 'released', 'pending'));
  expect(counts.read().tasks['note']).toMatchObject({
    retries: 1,
    ended: { completed: 0, failed: 0, cancelled: 0 },
  });
});

test('only the first attempt of a job for a time of day can be late', async () => {
  const counts = await counting();
  const claim = { task: 'tidy', source: 'nightly', attempt: 1, lateByMs: 400 };
  counts.claimed(claim);
  counts.claimed({ ...claim, attempt: 2 });
  counts.claimed({ ...claim, source: null });
  counts.claimed({ ...claim, task: 'note', source: 'notes' });
  const { tasks } = counts.read();
  expect(tasks['tidy']?.lateness).toEqual({ counts: [0, 0, 1, 0, 0, 0, 0, 0, 0, 0], sum: 0.4 });
  expect(tasks['note']?.lateness).toBeNull();
});

test('a job of a task that the config has no more is counted under other', async () => {
  const counts = await counting();
  counts.ended(ended('gone', 'crashed', 'failed'));
  counts.ended(ended('gone too', 'crashed', 'failed'));
  expect(Object.keys(counts.read().tasks)).toEqual(['tidy', 'note', 'other']);
  expect(counts.read().tasks['other']?.ended['failed']).toBe(2);
});

test('what is sent to a mirror is counted by workspace and result, each from nothing on', async () => {
  const counts = await counting();
  const nothing = { written: 0, repeated: 0, outdated: 0, lost: 0, failed: 0 };
  expect(counts.read().dualWrites).toEqual({ default: nothing });
  counts.dualWritten('default', 'failed', 2);
  counts.dualWritten('default', 'failed', 1);
  counts.dualWritten('of no config', 'written', 1);
  expect(counts.read().dualWrites).toEqual({
    default: { ...nothing, failed: 3 },
    other: { ...nothing, written: 1 },
  });
});

let nonces = 0;
const nonce = () => `test-${process.pid}-${nonces++}`;

async function figuresOf(counts: WorkerCounts): Promise<WorkerFigures> {
  const now = {
    slots: 4,
    freeSlots: 4,
    endsKept: [{ job: '7', workspace: 'default', task: 'note', attempt: 1 }],
    pressure: null,
    storageRefuses: false,
    redisAbsences: 2,
    databaseHeld: false,
  };
  const lag = { p50Ms: 0, p99Ms: 0, maxMs: 0 };
  return { schema: 1, startedAtMs: 0, ...counts.read(), ...now, rssBytes: 1, cpuSeconds: 0.5, lag };
}

test('what the worker tells over its line is what is heard', async () => {
  const name = nonce();
  const figures = await figuresOf(await counting());
  const line = serveFigures(
    name,
    () => figures,
    systemClock,
    (error) => expect(error).toBeNull(),
  );
  onTestFinished(() => line.close());
  const answer = await until(async () => {
    const heard = await askFigures(name, systemClock);
    return heard.figures === null ? null : heard;
  });
  expect(answer.figures).toEqual(JSON.parse(JSON.stringify(figures)));
});

test.each([
  ['nothing', '', /JSON/],
  ['half of it', '{"schema":1,', /JSON/],
  ['what another version tells', '{"schema":2}', /it\.schema is none of 1/],
  ['other buckets', 'buckets', /it\.tasks\.note\.durations has other buckets/],
])('a line that tells %s is no answer, and it is said why', async (_, content, why) => {
  const name = nonce();
  const counts = await counting();
  const figures = JSON.parse(JSON.stringify(await figuresOf(counts)));
  figures.tasks.note.durations.counts.push(0);
  const server = createServer(
    (socket) => void socket.end(content === 'buckets' ? JSON.stringify(figures) : content),
  );
  await new Promise<void>((resolve) => server.listen(`\0dogged-metrics-${name}`, resolve));
  onTestFinished(() => void server.close());
  const answer = await askFigures(name, systemClock);
  expect(answer).toEqual({ figures: null, why: expect.stringMatching(why) });
});

test('where nobody has a line, that is the answer', async () => {
  expect(await askFigures(nonce(), systemClock)).toMatchObject({
    figures: null,
    why: expect.stringContaining('ECONNREFUSED'),
  });
});
