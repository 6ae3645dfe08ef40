import { DoggedError } from '../../job/errors.js';
import { rankOf } from '../../job/job.js';
import { failpoint } from '../../platform/failpoint.js';
import type { Claim, End, Turn, TurnResult } from '../contract.js';
import { rowIdOf } from '../sqlite/core.js';
import { hasEnded } from './books.js';
import { claimOf, endingOf, type Lease } from './lease.js';
import { isFull } from './redis-link.js';
import { BATCH } from './relay.js';
import type { Remote } from './remote.js';
import type { BullmqStore } from './store.js';
import { anyRuns, isUnleased } from './unleased.js';

export type Answer = 'recorded' | 'lost';
/** What a turn takes from the line. */
type Taken = Pick<TurnResult, 'claims' | 'alone'>;

/** Jobs that are called back at once from a Redis that is full. */
const MADE_WAY = 50;

const NOTHING: Taken = { claims: [], alone: null };

export interface TurnParts {
  readonly store: BullmqStore;
  readonly remote: Remote;
  readonly epoch: number;
  readonly turn: Turn;
}

/**
 * One turn: ends are told to Redis, which says whether they count, and then written down here together with all that SQLite
 * does in a turn, claims aside; what is ready is sent, and claims are taken from Redis and written down before anybody hears
 * of them. While Redis is away the rest goes on; only ends make the turn fail, and are offered again.
 */
export async function takeTurn(parts: TurnParts): Promise<TurnResult> {
  const { store, remote, epoch, turn } = parts;
  const { sqlite } = store;
  const isFenced = await sqlite.look((_, verbs) => verbs.owners.epoch() !== epoch);
  const local: Turn = { ...turn, ends: [], freeSlots: 0, eligible: [] };
  if (isFenced) return sqlite.turn({ ...local, ends: turn.ends });
  if (turn.holdsTimes !== true)
    await store.recall.run(await sqlite.look(() => store.outbox.tooLate(turn.nowMs)));

  const unleased = await findUnleased(parts);
  const told = await tellEnds(remote, turn, epoch, unleased);
  if (told === null) {
    // The moves of breakers belong to the ends, and come again with them.
    const { breakers: _, ...rest } = local;
    const ends = [...unleased].filter(({ claim }) => !remote.written.has(claim));
    const { ends: answers } = await sqlite.turn({ ...rest, ends });
    for (const [index, { claim }] of ends.entries()) {
      if (answers[index] === 'recorded') remote.written.add(claim);
    }
    throw new DoggedError('REDIS_AWAY', { address: remote.address, detail: remote.link.why });
  }
  if (turn.ends.length > 0) failpoint('remote.after-end');
  const own = turn.ends.filter(
    (end, index) =>
      told[index] === 'recorded' && rowIdOf(end.claim.id) !== null && !remote.written.has(end.claim),
  );
  const result = await sqlite.turn({ ...local, ends: own });
  const others = turn.ends.filter((end) => !own.includes(end) && !unleased.has(end));
  if (others.length > 0) await sqlite.within(() => forget(store, others, epoch));
  for (const { claim } of turn.ends) if (isLeased(remote, claim)) remote.leases.delete(claim.id);
  const ends = turn.ends.map((end, index) => {
    const at = own.indexOf(end);
    return at < 0 ? (told[index] ?? 'lost') : (result.ends[at] ?? 'lost');
  });

  const hasJobsElsewhere = await sqlite.look(() => store.outbox.isBusy());
  // More became due or too late than one turn moves: none of those may be claimed before all have been.
  const isBehind = result.nextDueAtMs !== null && result.nextDueAtMs <= turn.nowMs;
  const taken = isBehind ? NOTHING : await whileUp(parts, () => claim(parts));
  remote.hasFreeSlots = taken.claims.length < turn.freeSlots && taken.alone === null;
  return {
    ...result,
    ...taken,
    ends,
    cancelRequests: [...result.cancelRequests, ...remote.leaseWatch.takeInterrupted()],
    hasJobsElsewhere,
  };
}

/** Those that are none of Redis' business. */
async function findUnleased({ store, remote, epoch, turn }: TurnParts): Promise<ReadonlySet<End>> {
  const without = turn.ends.filter(({ claim }) => claim.epoch === epoch && !isLeased(remote, claim));
  if (without.length === 0) return new Set();
  return store.sqlite.look(
    ({ db }) => new Set(without.filter(({ claim }) => remote.written.has(claim) || isUnleased(db, claim))),
  );
}

/** null: Redis is away, and some of them may or may not have been told. */
async function tellEnds(
  remote: Remote,
  { ends, nowMs }: Turn,
  epoch: number,
  unleased: ReadonlySet<End>,
): Promise<readonly Answer[] | null> {
  try {
    return await Promise.all(
      ends.map(async (end) => {
        const { claim, report, next } = end;
        if (unleased.has(end)) return 'recorded';
        const lease = remote.leases.get(claim.id);
        if (lease === undefined || !isLeased(remote, claim) || claim.epoch !== epoch) return 'lost';
        // Told before, in a turn that SQLite could not take.
        const known = remote.answers.get(lease);
        if (known !== undefined) return known;
        const answer = await remote.claims.end(endingOf(lease), { report, next, nowMs }, remote.self);
        remote.answers.set(lease, answer);
        return answer;
      }),
    );
  } catch (error) {
    if (isAway(error)) return null;
    throw error;
  }
}

function isLeased(remote: Remote, { id, attempt }: End['claim']): boolean {
  return remote.leases.get(id)?.attempt === attempt;
}

/** What is left to do here for attempts that were lost, or are of other machines. */
function forget(store: BullmqStore, ends: readonly End[], epoch: number): void {
  for (const { claim } of ends) {
    const rowId = rowIdOf(claim.id);
    if (rowId === null) store.books.dropForeign(claim.id);
    else store.books.leave(rowId, epoch, claim.attempt);
  }
}

async function claim({ store, remote, epoch, turn }: TurnParts): Promise<Taken> {
  const { sqlite } = store;
  await remote.limits.set();
  // As many as can be claimed now; the rest goes beside the turns.
  for (let slots = turn.freeSlots; await remote.send(); slots -= BATCH) if (slots <= BATCH) break;
  if (turn.freeSlots <= 0) return NOTHING;
  const lines = await sqlite.look(({ db }) =>
    db
      .prepare<[], { workspace: string; task: string }>(`
        SELECT workspace, task FROM queues WHERE paused = 0 AND (SELECT paused FROM meta) = 0`)
      .all(),
  );
  const queues = lines.map(({ workspace, task }) => remote.queues.get(workspace, task));
  const { leases, alone } = await remote.claims.claim({
    queues,
    freeSlots: turn.freeSlots,
    eligible: turn.eligible,
    nowMs: turn.nowMs,
    holdsTimes: turn.holdsTimes === true,
    othersRun: remote.leases.size > 0 || (await sqlite.look(({ db }) => anyRuns(db, epoch))),
    epoch,
  });
  if (leases.length > 0) failpoint('remote.after-claim');
  if (leases.length === 0 && alone === null) return NOTHING;
  return writeDown({ store, remote, epoch, turn }, leases, alone);
}

/** Each attempt is committed before anybody hears of it. */
async function writeDown(
  { store, remote, epoch, turn }: TurnParts,
  leases: readonly Lease[],
  alone: string | null,
): Promise<Taken> {
  const { nowMs } = turn;
  const claims: Claim[] = [];
  const kept: Lease[] = [];
  const ids = new Map<string, string>();
  let waiting: number | null = null;
  const strangers: Lease[] = [];
  const unwanted: Lease[] = [];
  const write = () => {
    waiting = alone === null ? null : (store.books.find(alone)?.jobId ?? null);
    for (const lease of leases) {
      const { parcel, attempt, crashes, token } = lease;
      const found = store.books.find(parcel.id);
      const own = found === null || hasEnded(found) ? null : found;
      if (own === null && parcel.origin === remote.origin && !parcel.isShared) {
        // It has ended, or was sent anew under another name: nobody waits for this one.
        strangers.push(lease);
        continue;
      }
      if (own?.isUnwanted === 1) {
        unwanted.push(lease);
        continue;
      }
      if (own === null && !remote.takesGuests) {
        unwanted.push(lease);
        continue;
      }
      const claim = claimOf(lease, own === null ? parcel.id : String(own.jobId), epoch, nowMs);
      if (own === null) store.books.putForeign(claim, parcel.origin, token, nowMs);
      else store.books.take(own, { redisId: parcel.id, attempt, crashes, epoch, token, atMs: nowMs });
      claims.push(claim);
      kept.push(lease);
      ids.set(parcel.id, claim.id);
    }
  };
  try {
    await store.sqlite.within(write);
  } catch (error) {
    await Promise.allSettled(leases.map((lease) => remote.claims.giveBack(lease)));
    throw error;
  }
  for (const [index, lease] of kept.entries()) remote.leases.set(claims[index]?.id ?? '', lease);
  // The claims are ours by now: nothing that goes wrong here may keep them from who asked for them.
  await remote.quietly(async () => {
    for (const lease of strangers) await remote.claims.drop(lease);
    for (const lease of unwanted) await remote.claims.refuse(lease, 'no longer wanted', nowMs, epoch);
    for (const lease of kept) {
      if (ids.get(lease.parcel.id) === lease.parcel.id) await remote.claims.tell(lease, epoch, nowMs);
    }
  });
  claims.sort((a, b) => rank(a) - rank(b) || Number(a.id) - Number(b.id));
  return {
    claims,
    alone: alone === null ? null : (ids.get(alone) ?? (waiting === null ? alone : String(waiting))),
  };
}

function rank({ runAtMs, priority }: Claim): number {
  return rankOf(runAtMs, priority);
}

/** The ends of this turn are written down by now: whatever goes wrong with claims is told, and tried again with the next. */
async function whileUp({ store, remote }: TurnParts, work: () => Promise<Taken>): Promise<Taken> {
  try {
    return await work();
  } catch (error) {
    remote.tellError(error);
    // A claim needs a little room itself: the last of our line make way, or a full Redis would stay so.
    if (isFull(error)) await remote.quietly(() => makeWay(store));
    return NOTHING;
  }
}

async function makeWay({ recall, sqlite, outbox }: BullmqStore): Promise<void> {
  await recall.run(await sqlite.look(() => outbox.lastSent(MADE_WAY)));
}

export function isAway(error: unknown): boolean {
  return error instanceof DoggedError && error.code === 'REDIS_AWAY';
}
