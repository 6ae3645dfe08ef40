// Kills the worker again and again while a real writer appends, prunes, rewrites in place and renames; then proves that
// no record was lost and none ended twice.
//
// usage: node scripts/torture/kill-worker.mjs [--records 5000] [--kills 10] [--writers 2] [--seed N] [--cli FILE] [--keep] [--json]
// Runs dist/: build first. Exit 0 when nothing was lost, doubled or left over.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import Database from 'better-sqlite3';

const here = dirname(fileURLToPath(import.meta.url));
const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '5000' },
    kills: { type: 'string', default: '10' },
    writers: { type: 'string', default: '2' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    minutes: { type: 'string', default: '8' },
    cli: { type: 'string', default: join(here, '..', '..', 'dist', 'cli.js') },
    keep: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const records = Number(values.records);
const kills = Number(values.kills);
const writers = Number(values.writers);
const seed = Number(values.seed);
const cli = values.cli;
const deadline = Date.now() + Number(values.minutes) * 60_000;
const random = mulberry32(seed);

const folder = mkdtempSync(join(tmpdir(), 'dogged-torture-'));
const say = (text) => values.json || console.log(text);
say(`seed ${seed}, ${records} records by ${writers} writers, ${kills} kills, in ${folder}`);

writeFileSync(
  join(folder, 'dogged.config.yaml'),
  `poll: 100ms
slots: 8
heartbeat: 1s
# A worker that dies young is restarted ever later, and given up in the end: here it dies young on purpose.
health: { restarts: { limit: 1000, within: 10m, backoff: 50ms..50ms } }
sources:
${Array.from({ length: writers }, (_, n) => `  ideas${n}: { log: ./ideas${n}.json, key: title, task: note }`).join('\n')}
tasks:
  note: { module: ./note.mjs, workers: 4, timeout: 20s, retry: { attempts: 5, backoff: 50ms..1s } }
`,
);
// Every run leaves one line: whose job, which attempt. O_APPEND keeps short lines whole.
writeFileSync(
  join(folder, 'note.mjs'),
  `import { appendFileSync } from 'node:fs';
export default async (payload, context) => {
  appendFileSync('runs.log', JSON.stringify([payload.title, context.jobId, context.attempt]) + '\\n');
  if (payload.n % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
};
`,
);
mkdirSync(join(folder, 'state'));

const database = () => new Database(join(folder, 'state', 'dogged.db'), { readonly: true, timeout: 5000 });
const workerPid = () => {
  try {
    return Number(readFileSync(join(folder, 'state', 'worker.pid'), 'utf8').split('\n')[0]);
  } catch {
    return 0;
  }
};
const dogged = (...args) => spawnSync(process.execPath, [cli, ...args], { cwd: folder, encoding: 'utf8' });

const perWriter = Math.ceil(records / writers);
// Bursts of 20 on average, spread so that there is something to write until the last kill.
const pauseSeconds = Math.min(0.5, (kills * 2.2 * 20) / perWriter);
const started = dogged('start');
if (started.status !== 0) throw new Error(`start failed:\n${started.stdout}${started.stderr}`);
const runningWriters = Array.from({ length: writers }, (_, n) =>
  spawn(
    'python3',
    [
      join(here, 'writer.py'),
      join(folder, `ideas${n}.json`),
      String(perWriter),
      String(seed + n),
      String(pauseSeconds),
      join(folder, `finished${n}.txt`),
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  ),
);
let writing = writers;
for (const writer of runningWriters)
  writer.on('exit', () => {
    writing -= 1;
  });

const recoveriesMs = [];
let killed = 0;
const endedTwice = new Set();
try {
  while (killed < kills) {
    await sleep(300 + random() * 1_500);
    const pid = workerPid();
    publishFinished();
    const before = endedJobs();
    const at = performance.now();
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      continue; // It is between two lives: that kill does not count.
    }
    killed += 1;
    await waitFor(() => workerPid() !== pid && workerPid() > 0, 'a replacement');
    recoveriesMs.push(Math.round(performance.now() - at));
    for (const [id, endedAt] of before) if (endedJobs(id).get(id) !== endedAt) endedTwice.add(id);
    say(`kill ${killed}: replaced after ${recoveriesMs.at(-1)} ms, ${before.size} had ended`);
  }
  await waitFor(() => {
    publishFinished();
    return writing === 0;
  }, 'the writers');
  await waitFor(() => {
    const open = withDatabase((db) => db.prepare('SELECT count(*) FROM jobs WHERE place <= 3').pluck().get());
    return open === 0 && endedJobs().size >= perWriter * writers;
  }, 'an idle queue');
} finally {
  dogged('stop');
  for (const writer of runningWriters) writer.kill();
}

const figures = verdict();
if (values.json) console.log(JSON.stringify(figures));
else console.table([figures]);
const good =
  figures.lost === 0 &&
  figures.endedTwice === 0 &&
  figures.doubled === 0 &&
  figures.invented === 0 &&
  figures.failed === 0;
if (good && !values.keep) rmSync(folder, { recursive: true });
else if (!good) console.error(`kept for a look: ${folder}`);
process.exit(good ? 0 : 1);

function withDatabase(read) {
  const db = database();
  try {
    return read(db);
  } finally {
    db.close();
  }
}

/** Ended jobs by id with the time of their end: none may ever change. */
function endedJobs(id) {
  return withDatabase((db) => {
    const rows =
      id === undefined
        ? db.prepare('SELECT id, ended_at AS endedAt FROM jobs WHERE place > 3').all()
        : db.prepare('SELECT id, ended_at AS endedAt FROM jobs WHERE place > 3 AND id = ?').all(id);
    return new Map(rows.map((row) => [row.id, row.endedAt]));
  });
}

/** Tells each writer which of its titles are done, so that it may prune them. */
function publishFinished() {
  const titles = withDatabase((db) => db.prepare('SELECT key FROM jobs WHERE place = 4').pluck().all());
  for (let n = 0; n < writers; n += 1) {
    const own = titles.filter((title) => title.startsWith(`idea ${seed + n}-`));
    writeFileSync(join(folder, `finished${n}.txt`), own.join('\n'));
  }
}

async function waitFor(condition, what) {
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`${what} did not come; the folder is ${folder}`);
    await sleep(20);
  }
}

function verdict() {
  const rows = withDatabase((db) => db.prepare('SELECT id, key, place FROM jobs').all());
  const expected = new Set();
  for (let n = 0; n < writers; n += 1)
    for (let i = 0; i < perWriter; i += 1) expected.add(`idea ${seed + n}-${i}`);
  const byKey = new Map();
  for (const row of rows) byKey.set(row.key, [...(byKey.get(row.key) ?? []), row]);
  const runs = existsSync(join(folder, 'runs.log'))
    ? readFileSync(join(folder, 'runs.log'), 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line))
    : [];
  const attempts = new Set(runs.map(([, id, attempt]) => `${id}/${attempt}`));
  return {
    seed,
    records: expected.size,
    kills: killed,
    completed: rows.filter((row) => row.place === 4).length,
    failed: rows.filter((row) => row.place > 4).length,
    lost: [...expected].filter((key) => !byKey.has(key)).length,
    invented: [...byKey.keys()].filter((key) => !expected.has(key)).length,
    doubled: [...byKey.values()].filter((jobs) => jobs.length > 1).length,
    endedTwice: endedTwice.size,
    sameAttemptTwice: runs.length - attempts.size,
    runAgainAfterKill: runs.length - expected.size,
    slowestReplacementMs: Math.max(0, ...recoveriesMs),
  };
}

/** A small seeded generator, so that a run can be repeated. */
function mulberry32(a) {
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
