import { ALONE_FROM_CRASHES } from '../../job/job.js';
import type { AttemptReport, Next } from '../../job/outcome.js';
import type { EligibleTask } from '../contract.js';
import { type AskedOfRedis, BULK_SCRIPTS, type ClaimedInRedis } from './bulk-scripts.js';
import type { Ends } from './ends.js';
import { endingOf, type Lease } from './lease.js';
import { mailKey } from './mail.js';
import { fromWire, type Message } from './parcel.js';
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
  readonly leases: readonly Lease[];
  /** The job that must run alone, and stands first among those that are left, or is the only one of `leases`. */
  readonly alone: string | null;
}

const NOTHING: Claimed = { leases: [], alone: null };

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
    const leases: Lease[] = [];
    let left = asked;
    while (left.freeSlots > 0) {
      const free = Math.min(left.freeSlots, CLAIMS_AT_ONCE);
      const part = await this.#claimPart({ ...left, freeSlots: free }).catch((error: unknown) => {
        if (leases.length === 0) throw error;
        return NOTHING;
      });
      leases.push(...part.leases);
      if (part.alone !== null) return { leases, alone: part.alone };
      if (part.leases.length < free) break;
      left = withoutTaken(
        left,
        part.leases.map(({ parcel }) => parcel),
      );
    }
    return { leases, alone: null };
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
      queues: lines,
      rooms: Object.fromEntries(open.map(({ task, room }) => [task, room])),
      trials: Object.fromEntries(
        open.flatMap(({ task, trialOf }) => (trialOf === undefined ? [] : [[task, trialOf]])),
      ),
    };
    // Each of them may be claimed, whether or not we hear of it.
    this.#number += free;
    const [alone, found] = await link.call(
      () => link.run<[string, ClaimedInRedis[]]>('claim', [JSON.stringify(question)]),
      // Claimed after all, once Redis had woken: nobody here runs it.
      ([, late]) => {
        for (const [queue, token, id] of late)
          void this.#putBack(queues[queue], id, token).catch(() => undefined);
      },
    );
    const leases: Lease[] = [];
    for (const one of found) {
      const lease = await this.#leaseOf(one, asked);
      if (lease !== null) leases.push(lease);
    }
    const suspect = leases.find(({ crashes }) => crashes >= ALONE_FROM_CRASHES);
    if (suspect === undefined) return { leases, alone: alone === '' ? null : alone };
    if (leases.length === 1 && !othersRun) return { leases, alone: suspect.parcel.id };
    // It was not yet known to be one when it was claimed.
    await this.giveBack(suspect);
    return { leases: leases.filter((lease) => lease !== suspect), alone: suspect.parcel.id };
  }

  async #leaseOf(
    [index, token, id, data, stalls, deferredFailure, hasEnded]: ClaimedInRedis,
    asked: Asked,
  ): Promise<Lease | null> {
    const queue = asked.queues[index];
    if (queue === undefined) throw new Error('Redis has claimed from a queue that it was not asked for');
    const parcel = fromWire(parsed(data));
    if (parcel === null) {
      const ending = {
        queue,
        redisId: id,
        origin: this.#options.origin,
        group: null,
        token,
        attempt: 0,
        isShared: false,
      };
      // Not written by dogged.
      await this.#options.ends.drop([ending]);
      return null;
    }
    const deaths = Number(stalls);
    const lease: Lease = {
      queue,
      parcel,
      token,
      attempt: parcel.attempt + 1 + deaths,
      crashes: parcel.crashes + deaths,
    };
    return (await this.#isOver(lease, deferredFailure, hasEnded === 1, asked)) ? null : lease;
  }

  /** Nothing is to be run: it ended already, its machines died under it too often, or it comes too late. */
  async #isOver(
    lease: Lease,
    deferredFailure: string,
    hasEnded: boolean,
    { nowMs, holdsTimes, epoch }: Asked,
  ): Promise<boolean> {
    const { parcel } = lease;
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
    await this.#options.ends.leave(
      [{ ending: endingOf(lease), report, next }],
      `${this.#self(epoch)}/door`,
      nowMs,
    );
  }

  /** Says to the owners of these jobs that they run here. Where Redis is away or full their ends will tell as much. */
  async tell(leases: readonly Lease[], by: string, atMs: number): Promise<void> {
    if (leases.length === 0) return;
    const { link, site } = this.#options;
    const letters = leases.flatMap(({ parcel: { id, origin }, attempt }) => {
      const message: Message = { kind: 'started', id, attempt, site, atMs };
      return [mailKey(origin), JSON.stringify(message)];
    });
    try {
      await link.script('post', by, ...letters);
    } catch (error) {
      if (!isFull(error)) throw error;
    }
  }

  /** Nobody waits for these. */
  drop(leases: readonly Lease[]): Promise<void> {
    return this.#options.ends.drop(leases.map(endingOf));
  }

  /** Nothing of it was begun. */
  giveBack({ queue, parcel, token }: Lease): Promise<void> {
    return this.#options.link.call(() => this.#putBack(queue, parcel.id, token));
  }

  async #putBack(queue: TaskQueue | undefined, id: string, token: string): Promise<void> {
    await (await queue?.queue.getJob(id))?.moveToWait(token);
  }

  /** Prolongs these leases; returns those that are over. */
  async renew(leases: readonly Lease[]): Promise<readonly Lease[]> {
    if (leases.length === 0) return [];
    const { link, lockMs } = this.#options;
    const named = leases.flatMap(({ queue, parcel, token }) => [queue.keys.prefix, parcel.id, token]);
    const held = await link.call(() => link.run<number[]>('renew', [lockMs, ...named]));
    return leases.filter((_, index) => held[index] !== 1);
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

/** null for what no dogged has written. */
function parsed(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    return null; // Whoever wrote it, it is no job of ours.
  }
}
