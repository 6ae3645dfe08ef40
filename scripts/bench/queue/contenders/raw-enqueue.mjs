/** Bare better-sqlite3, FULL: one transaction for each job, with the very rows that an admission writes, or one bare row. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { ledgerHash } from '../../../../dist/job/snapshot.js';
import { openOwned, payloadText, record, SCOPE } from '../dogged-store.mjs';
import { timed } from '../stopwatch.mjs';
import { openBare } from './raw-jobs.mjs';

export async function run({ folder, jobs, rows }) {
  return rows === 'bare' ? bareRow(folder, jobs) : sameRows(folder, jobs);
}

async function bareRow(folder, jobs) {
  const db = openBare(join(folder, 'floor.db'));
  const insert = db.prepare('INSERT INTO jobs (state, payload) VALUES (0, ?)');
  const enqueue = await timed(async () => {
    for (let n = 0; n < jobs; n += 1) insert.run(Buffer.from(payloadText(n)));
  });
  db.close();
  return { enqueue };
}

async function sameRows(folder, jobs) {
  const stateFolder = join(folder, 'state');
  mkdirSync(stateFolder, { mode: 0o700 });
  const { store } = await openOwned(stateFolder);
  const file = join(stateFolder, 'dogged.db');
  await store.close();
  const db = new Database(file);
  for (const pragma of ['synchronous = FULL', 'foreign_keys = 1', 'wal_autocheckpoint = 10000'])
    db.pragma(pragma);
  const { lastInsertRowid: scopeId } = db
    .prepare('INSERT INTO scopes (workspace, kind, name) VALUES (?, 0, ?)')
    .run(SCOPE.workspace, SCOPE.name);
  const { lastInsertRowid: queueId } = db
    .prepare("INSERT INTO queues (workspace, task) VALUES ('default', 'by hand')")
    .run();
  db.prepare('INSERT INTO tallies (queue_id, place, jobs) VALUES (?, 1, 0)').run(queueId);
  const learn = db.prepare(
    'INSERT INTO records (scope_id, key_hash, version_hash, version_order, job_id) VALUES (?, ?, ?, NULL, ?)',
  );
  const insert = db.prepare(`
    INSERT INTO jobs (
      id, queue_id, scope_id, place, rank, priority, run_at, expires_at, group_name, max_attempts, timeout_ms,
      after_job, created_at, key, version_hash, version_order, cycle, payload_hash, payload
    ) VALUES (?, ?, ?, 1, ?, 0, ?, NULL, NULL, 1, NULL, NULL, ?, ?, ?, NULL, 'bench', ?, ?)`);
  const count = db.prepare('UPDATE scopes SET records = records + 1 WHERE id = ?');
  const tally = db.prepare('UPDATE tallies SET jobs = jobs + 1 WHERE queue_id = ? AND place = 1');
  const saveId = db.prepare('UPDATE meta SET last_job_id = ?');
  const write = db.transaction((id, { key, version, payload, runAtMs }) => {
    learn.run(scopeId, ledgerHash(key), version.hash, id);
    insert.run(
      id,
      queueId,
      scopeId,
      runAtMs,
      runAtMs,
      runAtMs,
      key,
      version.hash,
      payload.hash,
      payload.bytes,
    );
    count.run(scopeId);
    tally.run(queueId);
    saveId.run(id);
  });
  const enqueue = await timed(async () => {
    for (let n = 0; n < jobs; n += 1) write.immediate(n + 1, record(n));
  });
  db.close();
  return { enqueue };
}
