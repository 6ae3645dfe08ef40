/** Pages of each table and of its indexes, by SQLite's own account. */
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { admitMany, openOwned } from '../dogged-store.mjs';

export async function run({ folder, records }) {
  const stateFolder = join(folder, 'state');
  const { store } = await openOwned(stateFolder);
  await admitMany(store, records);
  await store.close();
  const db = new Database(join(stateFolder, 'dogged.db'), { readonly: true });
  const tables = db
    .prepare(`
      SELECT m.tbl_name AS name, sum(d.pgsize) AS bytes
      FROM dbstat d JOIN sqlite_schema m ON m.name = d.name
      WHERE d.aggregate = TRUE AND m.tbl_name IN ('records', 'jobs')
      GROUP BY m.tbl_name ORDER BY m.tbl_name DESC`)
    .all();
  const whole = db
    .prepare('SELECT page_count * page_size FROM pragma_page_count, pragma_page_size')
    .pluck()
    .get();
  db.close();
  return {
    bytes: { ...Object.fromEntries(tables.map(({ name, bytes }) => [name, bytes])), 'whole database': whole },
  };
}
