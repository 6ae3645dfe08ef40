/** The floor: as many rows through bare better-sqlite3, FULL, as many in a transaction as there are slots. Nothing runs. */
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { ADMISSION_BATCH, payloadText } from '../dogged-store.mjs';
import { timed } from '../stopwatch.mjs';

export async function run({ folder, jobs, slots }) {
  const db = openBare(join(folder, 'floor.db'));
  const insert = db.prepare('INSERT INTO jobs (state, payload) VALUES (0, ?)');
  const insertMany = db.transaction((from, size) => {
    for (let i = 0; i < size; i += 1) insert.run(Buffer.from(payloadText(from + i)));
  });
  const move = db.prepare('UPDATE jobs SET state = ? WHERE id = ?');
  const read = db.prepare('SELECT payload FROM jobs WHERE id = ?').pluck();
  const turn = db.transaction((from) => {
    for (let id = Math.max(1, from - slots); id < from; id += 1) move.run(2, id);
    for (let id = from; id < Math.min(from + slots, jobs + 1); id += 1) {
      read.get(id);
      move.run(1, id);
    }
  });
  const enqueue = await timed(async () => {
    for (let from = 0; from < jobs; from += ADMISSION_BATCH)
      insertMany.immediate(from, Math.min(ADMISSION_BATCH, jobs - from));
  });
  const run = await timed(async () => {
    for (let from = 1; from <= jobs + slots; from += slots) turn.immediate(from);
  });
  db.close();
  return { jobs, enqueue, run };
}

export function openBare(file) {
  const db = new Database(file);
  for (const pragma of ['journal_mode = WAL', 'synchronous = FULL', 'wal_autocheckpoint = 10000'])
    db.pragma(pragma);
  db.exec('CREATE TABLE jobs (id INTEGER PRIMARY KEY, state INTEGER NOT NULL, payload BLOB NOT NULL)');
  return db;
}
