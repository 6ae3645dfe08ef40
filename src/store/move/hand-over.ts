import { failpoint } from '../../platform/failpoint.js';
import { syncPage } from '../bullmq/outbox-moves.js';
import type { BullmqStore } from '../bullmq/store.js';
import type { InLine } from '../sqlite/line.js';
import { chooseStore, noteCutover } from '../sqlite/move-book.js';

/** Rows in one transaction: claims between two of them do not wait. */
const PAGE = 5_000;

/**
 * The one commit with which Redis runs the jobs: from then on nobody claims from the rows any more. What runs ends where it
 * is. Ready jobs follow with `handOn`; should the worker die before that, the next one does it at its start.
 */
export function takeOver(redis: BullmqStore, nowMs: number): Promise<void> {
  return redis.sqlite.within(({ db }) => {
    redis.register();
    const lastId = db.prepare<[], number>('SELECT last_job_id FROM meta').pluck().get() ?? 0;
    noteCutover(db, lastId, nowMs);
    chooseStore(db, redis.remote.address, nowMs);
    failpoint('cutover.before-commit');
  });
}

/** Puts what is ready in line to be sent, page by page, the best of each line first. */
export async function handOn({ sqlite }: Pick<BullmqStore, 'sqlite'>): Promise<void> {
  const queues = await sqlite.look(({ db }) => db.prepare<[], number>('SELECT id FROM queues').pluck().all());
  for (const queueId of queues) {
    let last: InLine | null = null;
    do {
      const after: InLine | null = last;
      last = await sqlite.within(({ db }) => syncPage(db, queueId, after, PAGE));
      failpoint('cutover.after-page');
      await new Promise(setImmediate);
    } while (last !== null);
  }
}
