import { readFileSync, statSync } from 'node:fs';

/** Processes beside this one that hold a write lock on the database, as the kernel lists them; empty where it hides them. */
export function holdersOf(file: string): readonly number[] {
  // `stat` opens nothing: a file descriptor of ours that is closed would drop SQLite's own locks.
  const inodes = [file, `${file}-shm`].flatMap(
    (path) => statSync(path, { throwIfNoEntry: false })?.ino ?? [],
  );
  let table: string;
  try {
    table = readFileSync('/proc/locks', 'latin1');
  } catch {
    // Hidden in some containers: then nobody can be named.
    return [];
  }
  const pids = table.split('\n').flatMap((line) => {
    const found = /WRITE\s+(\d+)\s+[0-9a-f]+:[0-9a-f]+:(\d+)\s/.exec(line);
    const pid = Number(found?.[1]);
    return found !== null && pid !== process.pid && inodes.includes(Number(found[2])) ? [pid] : [];
  });
  return [...new Set(pids)];
}
