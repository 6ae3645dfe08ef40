#!/usr/bin/env node
/*
 * How fast the store is, beside the floor: the same number of rows through bare better-sqlite3 with the same promises
 * (WAL, synchronous=FULL) but without ledger, places, permits, attempts or fencing. No jobs are run.
 *
 *   node scripts/bench/store.mjs [--jobs 100000] [--rounds 3] [--folder DIR] [--pending 1000,100000] [--json]
 *   node scripts/bench/store.mjs --ledger 1000000        what so many known keys take on disk, and nothing else
 *
 * Absolute figures belong to one machine and one disk; ratios may be compared. Needs dist/ (npm run build).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import Database from 'better-sqlite3';
import { ledgerHash, takeSnapshot } from '../../dist/job/snapshot.js';
import { systemClock } from '../../dist/platform/clock.js';
import { openStore } from '../../dist/store/open.js';

const { values: options } = parseArgs({
  options: {
    jobs: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '3' },
    folder: { type: 'string', default: tmpdir() },
    pending: { type: 'string', default: '1000,100000' },
    ledger: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const JOBS = Number(options.jobs);
const ADMISSION_BATCH = 2_000;
const T0 = Date.UTC(2026, 0, 1);
const NOW = T0 + 86_400_000;

function payload(n) {
  return Buffer.from(
    `{"title":"idea ${n}","description":"a line of text that is neither short nor long","n":${n}}`,
  );
}

function record(n, group = null) {
  const snapshot = takeSnapshot(payload(n));
  return {
    key: `idea ${n}`,
    occurrenceIn: null,
    version: { hash: ledgerHash(snapshot.bytes), order: null },
    onChange: 'ignore',
    payload: snapshot,
    task: 'build',
    priority: 0,
    runAtMs: T0 + n,
    expiresAtMs: null,
    timeoutMs: null,
    group,
    maxAttempts: 3,
  };
}

async function withFolder(work) {
  const folder = mkdtempSync(join(options.folder, 'dogged-bench-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function openOwned(folder, groupLimit = null) {
  const store = await openStore(folder, 'worker', systemClock);
  await store.takeOwnership({ bootId: 'b', pid: process.pid, startTicks: 1, nonce: 'n' }, T0);
  await store.configureTasks(['default'], [{ task: 'build', groupLimit, maxAttempts: 3 }]);
  return store;
}

async function admitAll(store, jobs, groupOf = () => null) {
  for (let from = 0; from < jobs; from += ADMISSION_BATCH) {
    const size = Math.min(ADMISSION_BATCH, jobs - from);
    await store.admit({
      scope: { workspace: 'default', kind: 'source', name: 'ideas' },
      cycle: 'c',
      records: Array.from({ length: size }, (_, i) => record(from + i, groupOf(from + i))),
      rejects: [],
      rereadPaths: [],
      cursors: [{ path: 'ideas.log', expectedEpoch: from / ADMISSION_BATCH, body: String(from) }],
      nowMs: NOW,
    });
  }
}

function endOf(claim) {
  return {
    claim,
    next: { to: 'completed' },
    report: {
      outcome: { kind: 'done', result: null },
      startedAtMs: T0,
      endedAtMs: T0,
      exitCode: 0,
      signal: null,
      stdout: null,
      stderr: null,
    },
  };
}

async function runAll(store, slots) {
  let claims = [];
  let ended = 0;
  do {
    const turn = await store.turn({
      ends: claims.map(endOf),
      freeSlots: slots,
      eligible: [{ task: 'build', room: slots }],
      nowMs: NOW,
    });
    ended += claims.length;
    claims = turn.claims;
  } while (claims.length > 0);
  return ended;
}

async function timed(work) {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1_000;
}

function ours(slots) {
  return withFolder(async (folder) => {
    const store = await openOwned(folder);
    const admitS = await timed(() => admitAll(store, JOBS));
    const runS = await timed(async () => {
      const ended = await runAll(store, slots);
      if (ended !== JOBS) throw new Error(`${ended} of ${JOBS} jobs ended`);
    });
    await store.close();
    return { admitS, runS };
  });
}

function floor(slots) {
  return withFolder(async (folder) => {
    const db = new Database(join(folder, 'floor.db'));
    for (const pragma of ['journal_mode = WAL', 'synchronous = FULL', 'wal_autocheckpoint = 10000'])
      db.pragma(pragma);
    db.exec('CREATE TABLE jobs (id INTEGER PRIMARY KEY, state INTEGER NOT NULL, payload BLOB NOT NULL)');
    const insert = db.prepare('INSERT INTO jobs (state, payload) VALUES (0, ?)');
    const insertMany = db.transaction((from, size) => {
      for (let i = 0; i < size; i += 1) insert.run(payload(from + i));
    });
    const move = db.prepare('UPDATE jobs SET state = ? WHERE id = ? RETURNING payload');
    const turn = db.transaction((from) => {
      for (let id = from - slots; id < from; id += 1) if (id > 0) move.get(2, id);
      for (let id = from; id < Math.min(from + slots, JOBS + 1); id += 1) move.get(1, id);
    });
    const admitS = await timed(async () => {
      for (let from = 0; from < JOBS; from += ADMISSION_BATCH) {
        insertMany.immediate(from, Math.min(ADMISSION_BATCH, JOBS - from));
      }
    });
    const runS = await timed(async () => {
      for (let from = 1; from <= JOBS + slots; from += slots) turn.immediate(from);
    });
    db.close();
    return { admitS, runS };
  });
}

function median(numbers) {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
}

async function repeat(measure) {
  const runs = [];
  for (let round = 0; round < Number(options.rounds); round += 1) runs.push(await measure());
  const admitS = median(runs.map((run) => run.admitS));
  const runS = median(runs.map((run) => run.runS));
  return {
    admitPerS: Math.round(JOBS / admitS),
    runPerS: Math.round(JOBS / runS),
    bothPerS: Math.round(JOBS / (admitS + runS)),
  };
}

/** Milliseconds of a turn that ends one job and claims one, with this many pending. */
function claimMs(pending, groupLimit, groupOf) {
  return withFolder(async (folder) => {
    const store = await openOwned(folder, groupLimit);
    await admitAll(store, pending, groupOf);
    const times = [];
    let claims = [];
    for (let i = 0; i < 300; i += 1) {
      const start = performance.now();
      ({ claims } = await store.turn({
        ends: claims.map(endOf),
        freeSlots: 1,
        eligible: [{ task: 'build', room: 1 }],
        nowMs: NOW,
      }));
      times.push(performance.now() - start);
    }
    await store.close();
    return median(times);
  });
}

/** What so many known keys take when their jobs are gone: MB of the ledger and of the whole database, vacuumed. */
function ledgerSize(rows) {
  return withFolder(async (folder) => {
    const store = await openOwned(folder);
    for (let from = 0; from < rows; from += JOBS) {
      const size = Math.min(JOBS, rows - from);
      for (let n = 0; n < size; n += ADMISSION_BATCH) {
        const records = Array.from({ length: Math.min(ADMISSION_BATCH, size - n) }, (_, i) => ({
          ...record(from + n + i),
          expiresAtMs: NOW,
        }));
        const scope = { workspace: 'default', kind: 'source', name: 'ideas' };
        const rest = { cycle: 'c', rejects: [], rereadPaths: [], cursors: [], nowMs: NOW };
        await store.admit({ scope, records, ...rest });
      }
      const turn = { ends: [], freeSlots: 0, eligible: [], nowMs: NOW };
      while ((await store.turn(turn)).nextDueAtMs !== null);
      await store.prune(NOW + 1, size);
    }
    await store.close();
    const db = new Database(join(folder, 'dogged.db'));
    const ledger = db.prepare("SELECT sum(pgsize) FROM dbstat WHERE name = 'records'").pluck().get();
    db.exec('VACUUM');
    const whole = db.pragma('page_count', { simple: true }) * db.pragma('page_size', { simple: true });
    db.close();
    const mb = (bytes) => Number((bytes / 1e6).toFixed(1));
    return {
      keys: rows,
      'ledger MB': mb(ledger),
      'bytes a key': Math.round(ledger / rows),
      'database MB': mb(whole),
    };
  });
}

if (options.ledger !== undefined) {
  const size = await ledgerSize(Number(options.ledger));
  if (options.json) console.log(JSON.stringify(size));
  else console.table([size]);
  process.exit();
}

const table = [];
for (const slots of [4, 64]) {
  const bare = await repeat(() => floor(slots));
  const store = await repeat(() => ours(slots));
  table.push({
    slots,
    'admit/s': store.admitPerS,
    'run/s': store.runPerS,
    'both/s': store.bothPerS,
    'floor both/s': bare.bothPerS,
    'of floor': Number((store.bothPerS / bare.bothPerS).toFixed(2)),
  });
}
const claims = [];
for (const pending of options.pending.split(',').filter(Boolean).map(Number)) {
  claims.push({
    pending,
    'claim ms, no groups': Number((await claimMs(pending, null, () => null)).toFixed(3)),
    'claim ms, one full group': Number((await claimMs(pending, 2, () => 'giant')).toFixed(3)),
    'claim ms, one group each': Number((await claimMs(pending, 2, (n) => `g${n}`)).toFixed(3)),
  });
}
if (options.json)
  console.log(JSON.stringify({ node: process.version, jobs: JOBS, throughput: table, claims }));
else {
  console.table(table);
  console.table(claims);
}
