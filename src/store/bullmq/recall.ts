import { DoggedError } from '../../job/errors.js';
import { PLACES } from '../../job/job.js';
import type { Clock } from '../../platform/clock.js';
import type { SqliteStore } from '../sqlite/store.js';
import { type Books, ELSEWHERE } from './books.js';
import { mailKey } from './mail.js';
import { type Held, type Outbox, SEND_STATES } from './outbox.js';
import type { Queues } from './queues.js';
import type { RedisLink } from './redis-link.js';

export interface RecallOptions {
  readonly sqlite: SqliteStore;
  readonly books: () => Books;
  readonly outbox: () => Outbox;
  /** null in a command, which does not speak with Redis: the worker does what it asks for. */
  readonly remote: { readonly link: RedisLink; readonly queues: Queues; readonly origin: string } | null;
  readonly clock: Clock;
}

/**
 * Calls jobs back from Redis before their rows are changed: replaced by a newer version, cancelled, expired. One that is
 * running by now, or of which nobody can tell while Redis is away, counts as running from then on, as it may be.
 */
export class Recall {
  readonly #options: RecallOptions;

  constructor(options: RecallOptions) {
    this.#options = options;
  }

  run(jobIds: readonly number[]): Promise<void> {
    return this.#run(jobIds, (held) => this.#takeBackWhereUp(held));
  }

  /** The same where nobody is in a hurry: throws REDIS_AWAY, and takes nothing for running that may be waiting. */
  runPatiently(jobIds: readonly number[]): Promise<void> {
    return this.#run(jobIds, (held) => this.#takeBack(held));
  }

  async #run(
    jobIds: readonly number[],
    takeBack: (held: readonly Held[]) => Promise<ReadonlySet<number>>,
  ): Promise<void> {
    const { sqlite, books, outbox, clock } = this.#options;
    if (jobIds.length === 0) return;
    const held = await sqlite.look(() => jobIds.map((id) => outbox().held(id)).filter((one) => one !== null));
    if (held.length === 0) return;
    const back = await takeBack(held);
    await sqlite.within(() => {
      for (const { jobId } of held) {
        if (back.has(jobId)) outbox().restate([jobId], 'waiting');
        else books().presumeRunning(jobId, clock.wallMs());
      }
    });
  }

  /**
   * Asks after those that count as running since nobody could tell: those that still waited are back in the line, or
   * cancelled, or gave way, as was asked for meanwhile. Those that run, and are to be cancelled, are told so.
   */
  async resolve(): Promise<number> {
    const { sqlite, books, remote, clock } = this.#options;
    if (remote === null) return 0;
    const wanted = await sqlite.look(({ db }) =>
      db
        .prepare<[], Held & { cancelRequested: number }>(`
          SELECT j.id AS jobId, o.redis_id AS redisId, q.workspace, q.task, j.group_name AS "group",
            j.cancel_requested AS cancelRequested
          FROM jobs j INDEXED BY jobs_running
          CROSS JOIN outbox o ON o.job_id = j.id AND o.redis_id IS NOT NULL
          CROSS JOIN queues q ON q.id = j.queue_id
          WHERE j.place = ${PLACES.running} AND j.epoch = ${ELSEWHERE}
            AND (o.state = ${SEND_STATES.presumed} OR j.cancel_requested = 1 OR EXISTS (
              SELECT 1 FROM jobs s INDEXED BY jobs_successors WHERE s.place = ${PLACES.parked} AND s.after_job = j.id))
          LIMIT 500`)
        .all(),
    );
    if (wanted.length === 0) return 0;
    const back = await this.#takeBackWhereUp(wanted);
    for (const { jobId, redisId, workspace, task, cancelRequested } of wanted) {
      if (cancelRequested === 0 || back.has(jobId)) continue;
      await remote.link.script('cancel', remote.queues.get(workspace, task).keys.job(redisId));
    }
    if (back.size > 0) {
      await sqlite.within(() => {
        for (const jobId of back) books().giveBack(jobId, clock.wallMs(), sqlite.clockMovedMs);
      });
    }
    return back.size;
  }

  #takeBackWhereUp(held: readonly Held[]): Promise<ReadonlySet<number>> {
    return this.#takeBack(held, (error) => {
      if (!(error instanceof DoggedError && error.code === 'REDIS_AWAY')) throw error;
    });
  }

  async #takeBack(
    held: readonly Held[],
    onFailure: (error: unknown) => void = (error) => {
      throw error;
    },
  ): Promise<ReadonlySet<number>> {
    const { remote } = this.#options;
    const back = new Set<number>();
    if (remote === null) return back;
    const answers = await Promise.allSettled(
      held.map(async ({ jobId, redisId, workspace, task, group }) => {
        const { keys } = remote.queues.get(workspace, task);
        const job = keys.job(redisId);
        const { prioritized, wait } = keys;
        const shared = [keys.owners(redisId), mailKey(remote.origin)];
        const permits = keys.permits(group);
        const done = await remote.link.script('recall', job, prioritized, wait, permits, ...shared, redisId);
        if (done === 1) back.add(jobId);
      }),
    );
    const failure = answers.find((one) => one.status === 'rejected');
    if (failure !== undefined) onFailure(failure.reason);
    return back;
  }
}
