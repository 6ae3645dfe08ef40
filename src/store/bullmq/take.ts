import { rankOf } from '../../job/job.js';
import { failpoint } from '../../platform/failpoint.js';
import type { Claim, TurnResult } from '../contract.js';
import { type Asked, type Claimed, isTooLate, TOO_LATE, withoutTaken } from './claims.js';
import { claimOf, type Lease } from './lease.js';
import { BATCH } from './relay.js';
import type { Remote } from './remote.js';
import { hasEnded } from './sent-jobs.js';
import type { TurnParts } from './turn.js';

/** What a turn takes from the line. */
export type Taken = Pick<TurnResult, 'claims' | 'alone'>;

export const NOTHING: Taken = { claims: [], alone: null };

interface Refused {
  readonly lease: Lease;
  readonly reason: string;
}

/** Claims as they stand in the transaction that writes them down. */
export interface Noted {
  readonly claims: readonly Claim[];
  readonly leases: readonly Lease[];
  readonly alone: string | null;
  /** Ended, or sent anew under another name: nobody waits for these. */
  readonly strangers: readonly Lease[];
  readonly refused: readonly Refused[];
}

/** All that this turn may claim. */
export async function askForAll({ store, remote, epoch, turn }: TurnParts): Promise<Asked> {
  const lines = await remote.limits.set();
  // What ends with this turn runs no longer.
  const over = turn.ends.filter(({ claim }) => remote.leases.has(claim.id)).length;
  return {
    queues: lines.flatMap(({ workspace, task, isOpen }) =>
      isOpen === 1 ? [remote.queues.get(workspace, task)] : [],
    ),
    freeSlots: turn.freeSlots,
    eligible: turn.eligible,
    nowMs: turn.nowMs,
    holdsTimes: turn.holdsTimes === true,
    othersRun: remote.leases.size > over || (await store.sqlite.look(() => store.unleased.any(epoch))),
    epoch,
  };
}

export async function claimInRedis(parts: TurnParts, asked: Asked): Promise<Claimed | null> {
  const claimed: { now: Claimed | null } = { now: null };
  await whileUp(parts.remote, async () => {
    claimed.now = await parts.remote.claims.claim(asked);
    return NOTHING;
  });
  if ((claimed.now?.jobs.length ?? 0) > 0) failpoint('remote.after-claim');
  return claimed.now;
}

/** What is left once these are taken: what is ready is sent before. */
export async function takeRest(parts: TurnParts, taken: Taken): Promise<Taken> {
  const { store, remote, turn } = parts;
  const freeSlots = turn.freeSlots - taken.claims.length;
  await remote.mail.readTold();
  await remote.limits.set();
  // As many as can be claimed now; the rest goes beside the turns.
  for (let slots = freeSlots; await remote.send(); slots -= BATCH) if (slots <= BATCH) break;
  if (freeSlots <= 0) return NOTHING;
  // Those that have ended by now have no lease any more.
  const asked = await askForAll({ ...parts, turn: { ...turn, ends: [] } });
  const claimed = await remote.claims.claim(withoutTaken(asked, taken.claims));
  if (claimed.jobs.length > 0) failpoint('remote.after-claim');
  if (claimed.jobs.length === 0 && claimed.alone === null) return NOTHING;
  let noted: Noted;
  try {
    noted = await store.sqlite.within(() => note(parts, claimed));
  } catch (error) {
    await remote.quietly(() => giveBack(remote, claimed));
    throw error;
  }
  return takeNoted(parts, noted);
}

/** Runs inside a transaction. Each attempt is committed before anybody hears of it. */
export function note({ store, remote, epoch, turn }: TurnParts, claimed: Claimed): Noted {
  const { books } = store;
  const { nowMs } = turn;
  const claims: Claim[] = [];
  const kept: Lease[] = [];
  const strangers: Lease[] = [];
  const refused: Refused[] = [];
  let alone = claimed.alone;
  const waiting = alone === null ? null : (books.find(alone)?.jobId ?? null);
  if (waiting !== null) alone = String(waiting);
  for (const { lease, parcel } of claimed.jobs) {
    const { redisId, origin, attempt, crashes, token } = lease;
    const whole = parcel === null ? books.findWhole(redisId) : null;
    const body = parcel ?? whole;
    const found = whole ?? books.find(redisId);
    const own = found === null || hasEnded(found) ? null : found;
    if (body === null || (own === null && origin === remote.origin && !lease.isShared)) {
      strangers.push(lease);
      continue;
    }
    const isUnwanted = own === null ? !remote.takesGuests : own.isUnwanted === 1;
    if (isUnwanted || (turn.holdsTimes !== true && isTooLate(body, nowMs))) {
      refused.push({ lease, reason: isUnwanted ? 'no longer wanted' : TOO_LATE });
      continue;
    }
    const claim = claimOf(body, lease, own === null ? redisId : String(own.jobId), epoch, nowMs);
    if (own === null) books.putForeign(claim, origin, token, nowMs);
    else books.take(own, { redisId, attempt, crashes, epoch, token, atMs: nowMs });
    if (redisId === claimed.alone) alone = claim.id;
    claims.push(claim);
    kept.push(lease);
  }
  return { claims, leases: kept, alone, strangers, refused };
}

/** Once they are committed. */
export async function takeNoted({ remote, epoch, turn }: TurnParts, noted: Noted): Promise<Taken> {
  const { nowMs } = turn;
  const { claims, leases, alone, strangers, refused } = noted;
  if (claims.length > 0) failpoint('remote.after-commit');
  for (const [index, lease] of leases.entries()) remote.leases.set(claims[index]?.id ?? '', lease);
  // The claims are ours by now: nothing that goes wrong here may keep them from who asked for them.
  const guests = leases.filter((lease, index) => claims[index]?.id === lease.redisId);
  void remote.quietly(() => remote.claims.tell(guests, remote.self, nowMs));
  await remote.quietly(async () => {
    await remote.claims.drop(strangers);
    for (const { lease, reason } of refused) await remote.claims.refuse(lease, reason, nowMs, epoch);
  });
  const inOrder = [...claims].sort((a, b) => rank(a) - rank(b) || Number(a.id) - Number(b.id));
  return { claims: inOrder, alone };
}

export async function giveBack(remote: Remote, { jobs }: Claimed): Promise<void> {
  await Promise.all(jobs.map(({ lease }) => remote.claims.giveBack(lease)));
}

/** The ends of a turn do not depend on its claims: whatever goes wrong with these is told, and tried again with the next. */
export async function whileUp(remote: Remote, work: () => Promise<Taken>): Promise<Taken> {
  try {
    return await work();
  } catch (error) {
    remote.tellError(error);
    return NOTHING;
  }
}

function rank({ runAtMs, priority }: Claim): number {
  return rankOf(runAtMs, priority);
}
