import { ALONE_FROM_CRASHES } from '../../job/job.js';
import type { AttemptReport, Next } from '../../job/outcome.js';
import type { EligibleTask } from '../contract.js';
import { type AskedOfRedis, BULK_SCRIPTS, type ClaimedInRedis, type ClaimInRedis } from './bulk-scripts.js';
import type { Ends } from './ends.js';
import type { ClaimedJob, Ending, Lease } from './lease.js';
import { mailKey } from './mail.js';
import { fromWire, type Message, type Parcel } from './parcel.js';
import type { TaskQueue } from './queues.js';
import { isFull, type RedisLink } from './redis-link.js';
import { SETTLED } from './scripts.js';

export interface ClaimsOptions {
  readonly link: RedisLink;
  readonly ends: Ends;
  readonly origin: string;
  readonly site: string;
  readonly lockMs: number;
}

/** Why a job is refused whose end has passed. */
export const TOO_LATE = 'its end passed before it could start';

/** Jobs that are claimed in one call: Redis does nothing else for a millisecond or two. */
const CLAIMS_AT_ONCE = 100;

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

export interface Claimed {
  readonly jobs: readonly ClaimedJob[];
  /** The job that must run alone, and stands first among those that are left, or is the only one of `jobs`. */
  readonly alone: string | null;
}

const NOTHING: Claimed = { jobs: [], alone: null };

/** Claims and renewals in Redis, each claim with a token of its own. */
export class Claims {
  readonly #options: ClaimsOptions;
  #number = 0;

  constructor(options: ClaimsOptions) {
    this.#options = options;
    options.link.define(BULK_SCRIPTS);
  }

  /** In how many of these queues a job could be claimed. Throws REDIS_AWAY. */
  async claimable(queues: readonly TaskQueue[]): Promise<number> {
    if (queues.length === 0) return 0;
    return this.#options.link.script<number>('claimable', ...queues.map(({ keys }) => keys.prefix));
  }

  /** Throws REDIS_AWAY; what was claimed until then runs into the end of its lease, and is taken up again. */
  async claim(asked: Asked): Promise<Claimed> {
    const jobs: ClaimedJob[] = [];
    let left = asked;
    while (left.freeSlots > 0) {
      const free = Math.min(left.freeSlots, CLAIMS_AT_ONCE);
      const part = await this.#claimPart({ ...left, freeSlots: free }).catch((error: unknown) => {
        if (jobs.length === 0) throw error;
        return NOTHING;
      });
      jobs.push(...part.jobs);
      if (part.alone !== null) return { jobs, alone: part.alone };
      if (part.jobs.length < free) break;
      left = withoutTaken(
        left,
        part.jobs.map(({ lease }) => lease.queue),
      );
    }
    return { jobs, alone: null };
  }

  async #claimPart(asked: Asked): Promise<Claimed> {
    const { link, origin, lockMs } = this.#options;
    const { queues, freeSlots: free, othersRun, epoch } = asked;
    const open = asked.eligible.filter(({ room }) => room > 0);
    const tasks = new Set(open.map(({ task }) => task));
    const lines = queues.flatMap(({ task, keys: { prefix } }, index) =>
      tasks.has(task) ? [{ index, prefix, task }] : [],
    );
    if (lines.length === 0 || free <= 0) return NOTHING;
    const question: AskedOfRedis = {
      lockMs,
      free,
      othersRun,
      aloneFrom: ALONE_FROM_CRASHES,
      settled: SETTLED,
      token: `${origin}/${epoch}/`,
      number: this.#number + 1,
      own: `${origin}/`,
      queues: lines,
      rooms: Object.fromEntries(open.map(({ task, room }) => [task, room])),
      trials: Object.fromEntries(
        open.flatMap(({ task, trialOf }) => (trialOf === undefined ? [] : [[task, trialOf]])),
      ),
    };
    // Each of them may be claimed, whether or not we hear of it.
    this.#number += free;
    const [alone, found, own] = await link.call(
      () => link.run<ClaimedInRedis>('claim', [JSON.stringify(question)]),
      // Claimed after all, once Redis had woken: nobody here runs it.
      ([, ...late]) => {
        for (const [queue, number, id] of late.flat())
          void this.#putBack(queues[queue], id, question.token + number).catch(() => undefined);
      },
    );
    const jobs: ClaimedJob[] = own.map(([index, number, redisId, attempt, crashes]) => {
      const queue = queueAt(queues, index);
      const token = question.token + number;
      const lease = {
        queue,
        redisId,
        origin,
        group: null,
        token,
        attempt: attempt + 1,
        isShared: false,
        crashes,
      };
      return { lease, parcel: null };
    });
    for (const one of found) {
      const job = await this.#read(one, question.token + one[1], asked);
      if (job !== null) jobs.push(job);
    }
    const suspect = jobs.find(({ lease }) => lease.crashes >= ALONE_FROM_CRASHES)?.lease;
    if (suspect === undefined) return { jobs, alone: alone === '' ? null : alone };
    if (jobs.length === 1 && !othersRun) return { jobs, alone: suspect.redisId };
    // It was not yet known to be one when it was claimed.
    await this.giveBack(suspect);
    return { jobs: jobs.filter(({ lease }) => lease !== suspect), alone: suspect.redisId };
  }

  async #read(
    [index, , redisId, data, stalls, deferredFailure, hasEnded]: ClaimInRedis,
    token: string,
    asked: Asked,
  ): Promise<ClaimedJob | null> {
    const queue = queueAt(asked.queues, index);
    const parcel = fromWire(parsed(data));
    if (parcel === null) {
      const { origin } = this.#options;
      // Not written by dogged.
      await this.drop([{ queue, redisId, origin, group: null, token, attempt: 0, isShared: false }]);
      return null;
    }
    const deaths = Number(stalls);
    const { origin, group, isShared } = parcel;
    const attempt = parcel.attempt + 1 + deaths;
    const crashes = parcel.crashes + deaths;
    const lease: Lease = { queue, redisId: parcel.id, origin, group, token, attempt, isShared, crashes };
    const job = { lease, parcel };
    return (await this.#isOver(job, deferredFailure, hasEnded === 1, asked)) ? null : job;
  }

  /** Nothing is to be run: it ended already, its machines died under it too often, or it comes too late. */
  async #isOver(
    { lease, parcel }: { readonly lease: Lease; readonly parcel: Parcel },
    deferredFailure: string,
    hasEnded: boolean,
    { nowMs, holdsTimes, epoch }: Asked,
  ): Promise<boolean> {
    if (parcel.isShared && hasEnded) {
      // Sent by one who had not heard yet that it had ended.
      await this.drop([lease]);
      return true;
    }
    if (deferredFailure !== '') {
      const reason = `poison: ${lease.crashes} machines died while it ran`;
      const outcome = {
        kind: 'crashed',
        reason: deferredFailure,
        ranAlone: false,
        killedByUs: false,
      } as const;
      await this.#endUnrun(lease, outcome, { to: 'failed', reason }, nowMs, epoch);
      return true;
    }
    if (!holdsTimes && isTooLate(parcel, nowMs)) {
      await this.refuse(lease, TOO_LATE, nowMs, epoch);
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
    await this.#options.ends.leave([{ ending: lease, report, next }], `${this.#self(epoch)}/door`, nowMs);
  }

  /**
   * Says to the owners of these jobs that they run here, in one letter to each. Where Redis is away or full their ends will
   * tell as much.
   */
  async tell(leases: readonly Lease[], by: string, atMs: number): Promise<void> {
    const { link, site } = this.#options;
    const letters = new Map<string, string[]>();
    for (const { redisId: id, origin, attempt } of leases) {
      const message: Message = { kind: 'started', id, attempt, site, atMs };
      const letter = letters.get(origin) ?? [];
      letters.set(origin, letter);
      letter.push('m', JSON.stringify(message));
    }
    const { client } = link;
    const posts = [...letters].map(([origin, letter]) =>
      link.call(() => client.xadd(mailKey(origin), '*', 'by', by, ...letter)),
    );
    for (const post of await Promise.allSettled(posts)) {
      if (post.status === 'rejected' && !isFull(post.reason)) throw post.reason;
    }
  }

  /** Nobody waits for these. */
  drop(endings: readonly Ending[]): Promise<void> {
    return this.#options.ends.drop(endings);
  }

  /** Nothing of it was begun. */
  giveBack({ queue, redisId, token }: Pick<Lease, 'queue' | 'redisId' | 'token'>): Promise<void> {
    return this.#options.link.call(() => this.#putBack(queue, redisId, token));
  }

  async #putBack(queue: TaskQueue | undefined, id: string, token: string): Promise<void> {
    await (await queue?.queue.getJob(id))?.moveToWait(token);
  }

  /** Prolongs these leases; returns those that are over. */
  async renew(leases: readonly Lease[]): Promise<readonly Lease[]> {
    if (leases.length === 0) return [];
    const { link, lockMs } = this.#options;
    const named = leases.flatMap(({ queue, redisId, token }) => [queue.keys.prefix, redisId, token]);
    const held = await link.call(() => link.run<number[]>('renew', [lockMs, ...named]));
    return leases.filter((_, index) => held[index] !== 1);
  }

  /** Those whose cancel their owner has asked for. */
  async cancelled(leases: readonly Lease[]): Promise<readonly Lease[]> {
    if (leases.length === 0) return [];
    const { link } = this.#options;
    const pipeline = link.client.pipeline();
    for (const { queue, redisId } of leases) pipeline.hget(queue.keys.job(redisId), 'dogged:cancel');
    const answers = await link.exec(pipeline);
    return leases.filter((_, index) => answers[index]?.[1] === '1');
  }

  #self(epoch: number): string {
    return `${this.#options.origin}/${epoch}`;
  }
}

/** What may be claimed once these are. */
export function withoutTaken(asked: Asked, taken: readonly { readonly task: string }[]): Asked {
  const { eligible } = asked;
  const trialOf = (task: string) => eligible.find((one) => one.task === task)?.trialOf;
  // One job is enough for all tasks whose breaker is tried together.
  const tried = new Set(taken.map(({ task }) => trialOf(task)).filter((trial) => trial !== undefined));
  return {
    ...asked,
    freeSlots: asked.freeSlots - taken.length,
    eligible: eligible.map((one) => {
      const isTried = one.trialOf !== undefined && tried.has(one.trialOf);
      return { ...one, room: isTried ? 0 : one.room - taken.filter(({ task }) => task === one.task).length };
    }),
    othersRun: asked.othersRun || taken.length > 0,
  };
}

export function isTooLate({ expiresAtMs }: Pick<Parcel, 'expiresAtMs'>, nowMs: number): boolean {
  return expiresAtMs !== null && expiresAtMs <= nowMs;
}

function queueAt(queues: readonly TaskQueue[], index: number): TaskQueue {
  const queue = queues[index];
  if (queue === undefined) throw new Error('Redis has claimed from a queue that it was not asked for');
  return queue;
}

/** null for what no dogged has written. */
function parsed(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    return null; // Whoever wrote it, it is no job of ours.
  }
}
