import { statSync } from 'node:fs';
import { readRecoveries } from '../heartbeat/recovery-log.js';
import { stateFiles } from '../heartbeat/state-files.js';

/** Counts the recoveries by outcome. The file grows up to a megabyte and changes rarely: it is read when it has. */
export function createRecoveryCounts(stateFolder: string): () => ReadonlyMap<string, number> {
  const path = stateFiles(stateFolder).recovery;
  let readAt = '';
  let counts: ReadonlyMap<string, number> = new Map();
  return () => {
    const stat = statSync(path, { throwIfNoEntry: false });
    const stamp = stat === undefined ? 'none' : `${stat.ino} ${stat.size} ${stat.mtimeMs}`;
    if (stamp !== readAt) {
      const fresh = new Map<string, number>();
      for (const { outcome } of readRecoveries(stateFolder))
        fresh.set(outcome, (fresh.get(outcome) ?? 0) + 1);
      counts = fresh;
      readAt = stamp;
    }
    return counts;
  };
}
