import { DoggedError } from '../../job/errors.js';
import { failpoint } from '../../platform/failpoint.js';
import type { End, Turn, TurnResult } from '../contract.js';
import { rowIdOf } from '../sqlite/core.js';
import type { Verbs } from '../sqlite/verbs.js';
import type { Claimed } from './claims.js';
import { type Answer, ENDS_AT_ONCE } from './ends.js';
import type { Lease } from './lease.js';
import { isAway } from './redis-link.js';
import type { Remote } from './remote.js';
import type { BullmqStore } from './store.js';
import {
  askForAll,
  claimInRedis,
  giveBack,
  NOTHING,
  note,
  type Taken,
  takeNoted,
  takeRest,
  whileUp,
} from './take.js';

export interface TurnParts {
  readonly store: BullmqStore;
  readonly remote: Remote;
  readonly epoch: number;
  readonly turn: Turn;
}

/** What a turn has come to so far. */
interface Written {
  readonly result: TurnResult;
  readonly taken: Taken;
  /** There may be more to claim. */
  readonly mayClaim: boolean;
  readonly hasJobsElsewhere: boolean;
}

/**
 * One turn: ends are told to Redis, which says whether they count, and then written down here together with all that SQLite
 * does in a turn, claims aside; what is ready is sent, and claims are taken from Redis and written down before anybody hears
 * of them. Ends of attempts without a lease are no business of Redis. Where nothing here can change what is claimed, both go to Redis together, and are written down in one commit.
 * While Redis is away the rest goes on; only ends make the turn fail, and are offered again.
 */
export async function takeTurn(parts: TurnParts): Promise<TurnResult> {
  const { store, remote, epoch, turn } = parts;
  const { sqlite } = store;
  const { isFenced, late } = await sqlite.look((_, verbs) => ({
    isFenced: verbs.owners.epoch() !== epoch,
    late: turn.holdsTimes === true ? [] : store.outbox.tooLate(turn.nowMs),
  }));
  const local: Turn = { ...turn, ends: [], freeSlots: 0, eligible: [] };
  if (isFenced) return sqlite.turn({ ...local, ends: turn.ends });
  await store.recall.run(late);

  const ending = turn.ends.map(({ claim }) => leaseOf(remote, claim));
  const unleased = await findUnleased(parts);
  const { told, claimed } = await tellAndClaim(parts, local, unleased);
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
  const others = turn.ends.filter((end) => !own.includes(end) && !unleased.has(end));
  const { result, taken, mayClaim, hasJobsElsewhere } = await writeDown(
    parts,
    { ...local, ends: own },
    others,
    claimed,
  );
  for (const [index, { claim }] of turn.ends.entries()) {
    const lease = ending[index] ?? null;
    if (lease === null) continue;
    remote.answers.delete(lease.token);
    // One that was lost may be ours again by now.
    if (remote.leases.get(claim.id) === lease) remote.leases.delete(claim.id);
  }
  const ends = turn.ends.map((end, index) => {
    const at = own.indexOf(end);
    return at < 0 ? (told[index] ?? 'lost') : (result.ends[at] ?? 'lost');
  });

  // More became due or too late than one turn moves: none of those may be claimed before all have been.
  const isBehind = result.nextDueAtMs !== null && result.nextDueAtMs <= turn.nowMs;
  const rest = mayClaim && !isBehind ? await whileUp(remote, () => takeRest(parts, taken)) : NOTHING;
  const claims = [...taken.claims, ...rest.claims];
  const alone = taken.alone ?? rest.alone;
  remote.hasFreeSlots = claims.length < turn.freeSlots && alone === null;
  return {
    ...result,
    claims,
    alone,
    ends,
    cancelRequests: [...result.cancelRequests, ...remote.leaseWatch.takeInterrupted()],
    hasJobsElsewhere,
  };
}

/** Those that are none of Redis' business. */
async function findUnleased({ store, remote, epoch, turn }: TurnParts): Promise<ReadonlySet<End>> {
  const without = turn.ends.filter(({ claim }) => claim.epoch === epoch && leaseOf(remote, claim) === null);
  if (without.length === 0) return new Set();
  return store.sqlite.look(
    () => new Set(without.filter(({ claim }) => remote.written.has(claim) || store.unleased.is(claim))),
  );
}

/** `claimed` null: what is to be claimed is not known before the ends are written down. */
async function tellAndClaim(
  parts: TurnParts,
  local: Turn,
  unleased: ReadonlySet<End>,
): Promise<{ readonly told: readonly Answer[] | null; readonly claimed: Claimed | null }> {
  const { remote, turn, epoch } = parts;
  const question =
    unleased.size === 0 && (await mayClaimAtOnce(parts, local)) ? await askForAll(parts) : null;
  const [telling, claiming] = await Promise.allSettled([
    tellEnds(remote, turn, epoch, unleased),
    question === null ? null : claimInRedis(parts, question),
  ]);
  const claimed = claiming.status === 'fulfilled' ? claiming.value : null;
  const told = telling.status === 'fulfilled' ? telling.value : null;
  if (told === null && claimed !== null) await remote.quietly(() => giveBack(remote, claimed));
  if (telling.status === 'rejected') throw telling.reason;
  // Nothing is missed: without an answer of its own a claim is made after the ends.
  return { told, claimed };
}

/**
 * Whether what stands first in Redis now is what would be claimed after this turn's ends and all that SQLite does in it:
 * nothing waits to be sent, nothing becomes due or too late, and none of the ends makes way for another job. The ends are
 * asked first: what they free for all machines can be claimed.
 */
async function mayClaimAtOnce({ store, remote, epoch, turn }: TurnParts, local: Turn): Promise<boolean> {
  const makesWay = ({ claim, next }: End) =>
    rowIdOf(claim.id) !== null && (next.to === 'pending' || (leaseOf(remote, claim)?.group ?? null) !== null);
  if (turn.freeSlots <= 0 || turn.ends.some(makesWay) || !remote.mail.hasReadTold) return false;
  const { sqlite, outbox } = store;
  const isQuiet = (verbs: Verbs) => verbs.dispatch.idle(local, epoch, sqlite.clockMovedMs) !== null;
  return sqlite.look((_, verbs) => !outbox.isWaiting() && !outbox.hasSuccessors() && isQuiet(verbs));
}

/** null: Redis is away, and some of them may or may not have been told. */
async function tellEnds(
  remote: Remote,
  { ends, nowMs }: Turn,
  epoch: number,
  unleased: ReadonlySet<End>,
): Promise<readonly Answer[] | null> {
  const ours = ends.map(({ claim }) => (claim.epoch === epoch ? leaseOf(remote, claim) : null));
  const untold = ends.flatMap(({ report, next }, index) => {
    const lease = ours[index] ?? null;
    // Told before, in a turn that SQLite could not take; or twice in this one.
    if (lease === null || remote.answers.has(lease.token) || ours.indexOf(lease) < index) return [];
    return [{ ending: lease, report, next }];
  });
  try {
    for (const { ending } of untold) remote.unheard.add(ending.token);
    for (let from = 0; from < untold.length; from += ENDS_AT_ONCE) {
      const part = untold.slice(from, from + ENDS_AT_ONCE);
      const answers = await remote.ends.tell(part, remote.self, nowMs);
      for (const [index, { ending }] of part.entries()) {
        remote.answers.set(ending.token, answers[index] ?? 'lost');
        remote.unheard.delete(ending.token);
      }
    }
  } catch (error) {
    if (isAway(error)) return null;
    throw error;
  }
  return ends.map((end, index) => {
    if (unleased.has(end)) return 'recorded';
    return remote.answers.get(ours[index]?.token ?? '') ?? 'lost';
  });
}

/** null: it is over, or of an earlier attempt. */
function leaseOf(remote: Remote, { id, attempt }: End['claim']): Lease | null {
  const lease = remote.leases.get(id);
  return lease?.attempt === attempt ? lease : null;
}

/** With claims in hand all of it is one commit; should they be what SQLite cannot take, the ends are written without them. */
async function writeDown(
  parts: TurnParts,
  local: Turn,
  others: readonly End[],
  claimed: Claimed | null,
): Promise<Written> {
  const { store, remote, epoch } = parts;
  const { sqlite } = store;
  const { clockMovedMs } = sqlite;
  const isNothing = claimed !== null && claimed.jobs.length === 0 && claimed.alone === null;
  if (claimed !== null && !isNothing) {
    const written = await sqlite
      .within((_, verbs) => {
        const result = verbs.dispatch.turn(local, epoch, clockMovedMs);
        forget(store, others, epoch);
        return { result, noted: note(parts, claimed), left: leftIn(store) };
      })
      .catch(async (error: unknown) => {
        remote.tellError(error);
        await remote.quietly(() => giveBack(remote, claimed));
        return null;
      });
    if (written !== null) {
      const { result, noted, left } = written;
      const taken = await takeNoted(parts, noted);
      const { hasMore, hasJobsElsewhere } = left;
      return { result, taken, mayClaim: taken.alone === null && hasMore, hasJobsElsewhere };
    }
  }
  const result = await sqlite.turn(local);
  if (others.length > 0) await sqlite.within(() => forget(store, others, epoch));
  // Else they would be what SQLite cannot take once more.
  const { hasMore, hasJobsElsewhere } = await sqlite
    .look(() => leftIn(store))
    .catch((error: unknown) => {
      // What is committed stands: the turn must not be taken again for this.
      remote.tellError(error);
      return { hasMore: false, hasJobsElsewhere: true };
    });
  return { result, taken: NOTHING, mayClaim: claimed === null || (isNothing && hasMore), hasJobsElsewhere };
}

function leftIn({ outbox }: BullmqStore): { readonly hasMore: boolean; readonly hasJobsElsewhere: boolean } {
  return { hasMore: outbox.isWaiting(), hasJobsElsewhere: outbox.isBusy() };
}

/** What is left to do here for attempts that were lost, or are of other machines. */
function forget(store: BullmqStore, ends: readonly End[], epoch: number): void {
  for (const { claim } of ends) {
    const rowId = rowIdOf(claim.id);
    if (rowId === null) store.books.dropForeign(claim.id);
    else store.books.leave(rowId, epoch, claim.attempt);
  }
}
