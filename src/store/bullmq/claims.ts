import { DoggedError } from '../../job/errors.js';
import { ALONE_FROM_CRASHES } from '../../job/job.js';
import type { AttemptReport, Next } from '../../job/outcome.js';
import { failpoint } from '../../platform/failpoint.js';
import type { EligibleTask, End } from '../contract.js';
import { type Ending, endingOf, type Lease } from './lease.js';
import { mailKey } from './mail.js';
import { fromWire, type Message } from './parcel.js';
import { type Head, pick } from './pick.js';
import type { Queues, RedisJob, TaskQueue } from './queues.js';
import { isFull, type RedisLink } from './redis-link.js';
import { SETTLED } from './scripts.js';

export interface ClaimsOptions {
  readonly link: RedisLink;
  readonly queues: Queues;
  readonly origin: string;
  readonly site: string;
  readonly lockMs: number;
}

export interface Asked {
  readonly freeSlots: number;
  readonly eligible: readonly EligibleTask[];
  /** Whose tasks are not paused here. */
  readonly queues: readonly TaskQueue[];
  readonly nowMs: number;
  /** The wall clock is not to be trusted: nothing comes too late. */
  readonly holdsTimes: boolean;
  readonly othersRun: boolean;
  readonly epoch: number;
}

/** Claims, renewals and ends in Redis, each with a token of its own. */
export class Claims {
  readonly #options: ClaimsOptions;
  #number = 0;

  constructor(options: ClaimsOptions) {
    this.#options = options;
  }

  /** What stands first in each queue. Throws REDIS_AWAY. */
  async heads(queues: readonly TaskQueue[], each: number): Promise<readonly Head[]> {
    if (queues.length === 0 || each <= 0) return [];
    const prefixes = queues.map(({ keys }) => keys.prefix);
    const answer = await this.#options.link.script<[string, string, number][][]>('heads', each, ...prefixes);
    return queues.flatMap((queue, index) =>
      (answer[index] ?? []).map(([id, rank, crashes]) => ({
        queue,
        id,
        rank: rank === '-inf' ? Number.NEGATIVE_INFINITY : Number(rank),
        crashes,
      })),
    );
  }

  /** Throws REDIS_AWAY; what was claimed until then runs into the end of its lease, and is taken up again. */
  async claim(asked: Asked): Promise<{ readonly leases: readonly Lease[]; readonly alone: string | null }> {
    const { freeSlots, eligible } = asked;
    const open = eligible.filter(({ room }) => room > 0);
    const tasks = new Set(open.map(({ task }) => task));
    const heads = await this.heads(
      asked.queues.filter(({ task }) => tasks.has(task)),
      freeSlots,
    );
    const picked = pick(heads, freeSlots, open, asked.othersRun);
    const answers = await Promise.allSettled(picked.queues.map((queue) => this.#claimFrom(queue, asked)));
    const leases = answers.flatMap((one) =>
      one.status === 'fulfilled' && one.value !== null ? [one.value] : [],
    );
    const failure = answers.find((one) => one.status === 'rejected');
    if (leases.length === 0 && failure !== undefined) throw failure.reason;
    const suspect = leases.find(({ crashes }) => crashes >= ALONE_FROM_CRASHES);
    if (suspect === undefined) return { leases, alone: picked.alone };
    if (leases.length === 1 && !asked.othersRun) return { leases, alone: suspect.parcel.id };
    // It came to the head after we had looked.
    await this.giveBack(suspect);
    return { leases: leases.filter((lease) => lease !== suspect), alone: suspect.parcel.id };
  }

  async #claimFrom(queue: TaskQueue, asked: Asked): Promise<Lease | null> {
    const { link, origin } = this.#options;
    this.#number += 1;
    const token = `${origin}/${asked.epoch}/${this.#number}`;
    const job = await link.call(
      () => queue.worker.getNextJob(token, { block: false }),
      // Claimed after all, once Redis had woken: nobody here runs it.
      (late) => void late?.moveToWait(token).catch(() => undefined),
    );
    if (job === undefined) return null;
    const parcel = fromWire(job.data);
    if (parcel === null) {
      await this.#remove(job, token, 'not written by dogged');
      return null;
    }
    const stalls = job.stalledCounter;
    const lease = {
      queue,
      parcel,
      token,
      attempt: parcel.attempt + 1 + stalls,
      crashes: parcel.crashes + stalls,
      job,
    };
    return (await this.#isOver(lease, asked)) ? null : lease;
  }

  /** Nothing is to be run: it ended already, its machines died under it too often, or it comes too late. */
  async #isOver(lease: Lease, { nowMs, holdsTimes, epoch }: Asked): Promise<boolean> {
    const { parcel, job, queue, token } = lease;
    if (job.stalledCounter > 0) {
      const { link } = this.#options;
      const ended = await link.call(() => link.client.hget(queue.keys.job(parcel.id), 'dogged:ended'));
      if (ended !== null) {
        await this.#remove(job, token, 'ended before');
        return true;
      }
    }
    if (parcel.isShared) {
      // Sent by one who had not heard yet that it had ended.
      const { link } = this.#options;
      if ((await link.call(() => link.client.hexists(SETTLED, parcel.id))) === 1) {
        await this.#remove(job, token, 'ended before');
        return true;
      }
    }
    if (job.deferredFailure) {
      const reason = `poison: ${lease.crashes} machines died while it ran`;
      const outcome = {
        kind: 'crashed',
        reason: job.deferredFailure,
        ranAlone: false,
        killedByUs: false,
      } as const;
      await this.#endUnrun(lease, outcome, { to: 'failed', reason }, nowMs, epoch);
      return true;
    }
    if (!holdsTimes && parcel.expiresAtMs !== null && parcel.expiresAtMs <= nowMs) {
      await this.refuse(lease, 'its end passed before it could start', nowMs, epoch);
      return true;
    }
    return false;
  }

  /** It goes home, and nothing of it is run: what becomes of it is decided there. */
  refuse(lease: Lease, reason: string, nowMs: number, epoch: number): Promise<void> {
    const next = { to: 'pending', runAtMs: nowMs, charged: false, crashed: false, reason } as const;
    return this.#endUnrun(lease, { kind: 'released', reason }, next, nowMs, epoch);
  }

  /** It is in no books of ours: whoever owns it, and be it ourselves, reads of it in the mail. */
  async #endUnrun(
    lease: Lease,
    outcome: AttemptReport['outcome'],
    next: Next,
    nowMs: number,
    epoch: number,
  ): Promise<void> {
    const report = {
      outcome,
      startedAtMs: nowMs,
      endedAtMs: nowMs,
      exitCode: null,
      signal: null,
      stdout: null,
      stderr: null,
    };
    await this.end(endingOf(lease), { report, next, nowMs }, `${this.#self(epoch)}/door`);
  }

  /** Says to the owner of the job that it runs here. */
  async tell({ parcel, attempt }: Lease, epoch: number, nowMs: number): Promise<void> {
    const message: Message = {
      kind: 'started',
      id: parcel.id,
      attempt,
      site: this.#options.site,
      by: this.#self(epoch),
      atMs: nowMs,
    };
    const { link } = this.#options;
    try {
      await link.call(() => link.client.xadd(mailKey(parcel.origin), '*', 'm', JSON.stringify(message)));
    } catch (error) {
      // Its end will tell as much.
      if (!isAbsent(error) && !isFull(error)) throw error;
    }
  }

  /** `lost`: the lease was over. Asked again after a time-out, the answer is the same. Throws REDIS_AWAY. */
  async end(
    ending: Ending,
    { report, next, nowMs }: Pick<End, 'report' | 'next'> & { readonly nowMs: number },
    by: string,
  ): Promise<'recorded' | 'lost'> {
    const { queue, redisId, origin, group, token, attempt, job } = ending;
    const { link } = this.#options;
    const message: Message = {
      kind: 'ended',
      id: redisId,
      attempt,
      site: this.#options.site,
      by,
      report,
      next,
      waitMs: next.to === 'pending' ? Math.max(0, next.runAtMs - nowMs) : 0,
    };
    const { keys } = queue;
    const done = await link.script<number>(
      'end',
      keys.job(redisId),
      keys.lock(redisId),
      mailKey(origin),
      keys.permits(group),
      keys.owners(redisId),
      SETTLED,
      token,
      JSON.stringify(message),
      redisId,
      // Also for ourselves, should we have run it as another's, and come to our own later.
      JSON.stringify({ ...message, by: `${by}/kept`, report: { ...report, stdout: null, stderr: null } }),
    );
    if (done !== 1) return 'lost';
    failpoint('remote.before-removal');
    const found = job ?? (await link.call(() => queue.queue.getJob(redisId))) ?? null;
    if (found !== null)
      await this.#remove(found, token, next.to === 'completed' ? null : (next.reason ?? next.to));
    return 'recorded';
  }

  /** Nobody waits for it. */
  drop({ job, token }: Lease): Promise<void> {
    return this.#remove(job, token, 'nobody waits for it any more');
  }

  /** Its end stands in Redis: should this not come about, whoever gets the job next does it. */
  async #remove(job: RedisJob, token: string, reason: string | null): Promise<void> {
    const { link } = this.#options;
    try {
      await link.call<unknown>(() =>
        reason === null
          ? job.moveToCompleted(null, token, false)
          : job.moveToFailed(new Error(reason), token, false),
      );
    } catch (error) {
      if (isAbsent(error)) return;
      if (!/Missing lock|not owned|Missing key|not in the active/i.test((error as Error).message))
        throw error;
    }
  }

  /** Nothing of it was begun. */
  async giveBack({ job, token }: Pick<Lease, 'job' | 'token'>): Promise<void> {
    await this.#options.link.call(() => job.moveToWait(token));
  }

  /** Prolongs these leases; returns those that are over. */
  async renew(leases: readonly Lease[]): Promise<readonly Lease[]> {
    const { link, lockMs } = this.#options;
    const lost: Lease[] = [];
    for (const queue of new Set(leases.map((lease) => lease.queue))) {
      const here = leases.filter((lease) => lease.queue === queue);
      const ids = here.map(({ parcel }) => parcel.id);
      const tokens = here.map(({ token }) => token);
      const failed = new Set(await link.call(() => queue.worker.extendJobLocks(ids, tokens, lockMs)));
      lost.push(...here.filter(({ parcel }) => failed.has(parcel.id)));
    }
    return lost;
  }

  /** Those whose cancel their owner has asked for. */
  async cancelled(leases: readonly Lease[]): Promise<readonly Lease[]> {
    if (leases.length === 0) return [];
    const { link } = this.#options;
    const pipeline = link.client.pipeline();
    for (const { queue, parcel } of leases) pipeline.hget(queue.keys.job(parcel.id), 'dogged:cancel');
    const answers = await link.call(() => pipeline.exec());
    return leases.filter((_, index) => answers?.[index]?.[1] === '1');
  }

  #self(epoch: number): string {
    return `${this.#options.origin}/${epoch}`;
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof DoggedError && error.code === 'REDIS_AWAY';
}
