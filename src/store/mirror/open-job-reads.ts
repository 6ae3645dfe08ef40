import type { Clock } from '../../platform/clock.js';
import type { ReadStore } from '../read-contract.js';
import { readMove } from '../sqlite/move-row.js';
import type { SqliteStore } from '../sqlite/store.js';
import { mirrorAddress } from './mirror-keeper.js';
import { putInLine } from './mirroring.js';

/** A screen waits no longer for the mirror: the rows are at hand. */
const CALL_WITHIN_MS = 500;

/** Jobs one by one, or as a list. */
export interface JobReads extends Pick<ReadStore, 'get' | 'list'> {
  /** Jobs whose copy in a mirror was found to differ from their row, so far. */
  readonly divergent: ReadonlySet<string>;
  close(): void;
}

/** Through the mirror, while a move keeps one; else from the rows. */
export async function openJobReads(sqlite: SqliteStore, clock: Clock): Promise<JobReads> {
  const move = await sqlite.look(({ db }) => readMove(db));
  if (move === null || move.mirror === null || move.phase === 'ending') {
    return {
      get: (workspace, id) => sqlite.get(workspace, id),
      list: (filter) => sqlite.list(filter),
      divergent: new Set(),
      close: () => undefined,
    };
  }
  const { openMirrorLink } = await import('./work.js');
  const { ReadThroughMirror } = await import('./reader.js');
  const link = openMirrorLink(mirrorAddress(move), clock, CALL_WITHIN_MS);
  await link.settled();
  const reads = new ReadThroughMirror({ sqlite, link, mirror: move.mirror });
  return {
    get: (workspace, id) => reads.get(workspace, id),
    list: (filter) => reads.list(filter),
    divergent: reads.divergent,
    close: () => link.close(),
  };
}

/** What a reader has found is counted, and sent to the mirror again. */
export async function putRight(sqlite: SqliteStore, divergent: ReadonlySet<string>): Promise<void> {
  await sqlite.within(({ db }) => {
    putInLine(db, [...divergent].map(Number));
    db.prepare('UPDATE move SET divergent = coalesce(divergent, 0) + ?').run(divergent.size);
  });
}
