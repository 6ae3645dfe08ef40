import { createRequire } from 'node:module';
import SqliteDatabase, { type Database } from 'better-sqlite3';

/** Opens a file with SQLite. */
export function openDatabase(file: string, options: { timeout: number; readonly?: boolean }): Database {
  return new SqliteDatabase(file, { ...options, nativeBinding: findBinding() });
}

/** Of the SQLite that is compiled in. */
export function sqliteVersion(): string {
  const db = openDatabase(':memory:', { timeout: 0 });
  try {
    return db.prepare<[], string>('SELECT sqlite_version()').pluck().get() ?? 'unknown';
  } finally {
    db.close();
  }
}

let knownBinding: string | undefined;

/**
 * Where every install puts the compiled part. Saying so spares each start the driver's own search through a dozen
 * places, which takes a tenth of the time in which Node starts; where it is not there, the driver searches after all.
 */
function findBinding(): string | undefined {
  try {
    knownBinding ??= createRequire(import.meta.url).resolve(
      'better-sqlite3/build/Release/better_sqlite3.node',
    );
    return knownBinding;
  } catch {
    return undefined; // Another layout, such as a debug build.
  }
}
