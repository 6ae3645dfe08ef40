/**
 * Jobs added one by one, each durable before its answer: by hand and by an admission of one record, as `dogged add` does
 * it. The ways take turns every few jobs in one process, since how long the disk takes changes from second to second.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { ledgerHash } from '../../../../dist/job/snapshot.js';
import { batchOf, openOwned, payloadText, record, SCOPE } from '../dogged-store.mjs';
import { timed } from '../stopwatch.mjs';
import { openBare } from './raw-jobs.mjs';

const SLICE = 20;
const WARM_UP_SLICES = 5;

export async function run({ folder, jobs }) {
  const ways = { dogged: await byAdmission(folder), rows: await byHand(folder), bare: bareRow(folder) };
  const sums = Object.fromEntries(Object.keys(ways).map((way) => [way, { seconds: 0, cpuSeconds: 0 }]));
  for (let slice = 0; slice < WARM_UP_SLICES + jobs / SLICE; slice += 1) {
    for (const [way, { add }] of Object.entries(ways)) {
      const took = await timed(async () => {
        for (let n = slice * SLICE; n < (slice + 1) * SLICE; n += 1) await add(n);
      });
      if (slice < WARM_UP_SLICES) continue;
      sums[way].seconds += took.seconds;
      sums[way].cpuSeconds += took.cpuSeconds;
    }
  }
  for (const { close } of Object.values(ways)) await close();
  return sums;
}

async function byAdmission(folder) {
  const { store } = await openOwned(join(folder, 'dogged'));
  return {
    close: () => store.close(),
    async add(n) {
      const { answers } = await store.admit(batchOf([record(n)]));
      if (answers[0].result !== 'queued') throw new Error(`job ${n}: ${answers[0].result}`);
    },
  };
}

function bareRow(folder) {
  const db = openBare(join(folder, 'bare.db'));
  const insert = db.prepare('INSERT INTO jobs (state, payload) VALUES (0, ?)');
  return { close: () => db.close(), add: (n) => insert.run(Buffer.from(payloadText(n))) };
}

/** The very rows that an admission writes, in its schema. */
async function byHand(folder) {
  const stateFolder = join(folder, 'by-hand');
  mkdirSync(stateFolder, { mode: 0o700 });
  await (await openOwned(stateFolder)).store.close();
  const db = new Database(join(stateFolder, 'dogged.db'));
  for (const pragma of ['synchronous = FULL', 'foreign_keys = 1', 'wal_autocheckpoint = 10000'])
    db.pragma(pragma);
  const { lastInsertRowid: scopeId } = db
    .prepare('INSERT INTO scopes (workspace, kind, name) VALUES (?, 0, ?)')
    .run(SCOPE.workspace, SCOPE.name);
  const { lastInsertRowid: queueId } = db
    .prepare("INSERT INTO queues (workspace, task) VALUES ('default', 'by hand')")
    .run();
  db.prepare('INSERT INTO counts (kind, owner_id, place, amount) VALUES (0, ?, 1, 0)').run(queueId);
  const learn = db.prepare(
    'INSERT INTO records (scope_id, key_hash, version_hash, version_order, job_id) VALUES (?, ?, ?, NULL, ?)',
  );
  const insert = db.prepare(`
    INSERT INTO jobs (
      id, queue_id, scope_id, place, rank, priority, run_at, expires_at, group_name, max_attempts, timeout_ms,
      after_job, created_at, key, version_hash, version_order, cycle, payload_hash, payload
    ) VALUES (?, ?, ?, 1, ?, 0, ?, NULL, NULL, 1, NULL, NULL, ?, ?, ?, NULL, 'bench', ?, ?)`);
  const count = db.prepare('UPDATE scopes SET records = records + 1 WHERE id = ?');
  const tally = db.prepare(
    'UPDATE counts SET amount = amount + 1 WHERE kind = 0 AND owner_id = ? AND place = 1',
  );
  const saveId = db.prepare('UPDATE meta SET last_job_id = ?');
  const write = db.transaction((id, { key, version, payload, runAtMs }) => {
    learn.run(scopeId, ledgerHash(key), version.hash, id);
    const { hash, bytes } = payload;
    insert.run(id, queueId, scopeId, runAtMs, runAtMs, runAtMs, key, version.hash, hash, bytes);
    count.run(scopeId);
    tally.run(queueId);
    saveId.run(id);
  });
  return { close: () => db.close(), add: (n) => write.immediate(n + 1, record(n)) };
}
