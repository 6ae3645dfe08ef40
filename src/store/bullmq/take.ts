import { rankOf } from '../../job/job.js';
import { failpoint } from '../../platform/failpoint.js';
import type { Claim, TurnResult } from '../contract.js';
import { hasEnded } from './books.js';
import { type Asked, type Claimed, withoutTaken } from './claims.js';
import { claimOf, type Lease } from './lease.js';
import { BATCH } from './relay.js';
import type { Remote } from './remote.js';
import type { TurnParts } from './turn.js';
import { anyUnleased } from './unleased.js';

/** What a turn takes from the line. */
export type Taken = Pick<TurnResult, 'claims' | 'alone'>;

export const NOTHING: Taken = { claims: [], alone: null };

/** Claims as they stand in the transaction that writes them down. */
export interface Noted {
  readonly claims: readonly Claim[];
  readonly leases: readonly Lease[];
  readonly alone: string | null;
  /** Ended, or sent anew under another name: nobody waits for these. */
  readonly strangers: readonly Lease[];
  readonly unwanted: readonly Lease[];
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
    othersRun: remote.leases.size > over || (await store.sqlite.look(({ db }) => anyUnleased(db, epoch))),
    epoch,
  };
}

export async function claimInRedis(parts: TurnParts, asked: Asked): Promise<Claimed | null> {
  const claimed: { now: Claimed | null } = { now: null };
  await whileUp(parts.remote, async () => {
    claimed.now = await parts.remote.claims.claim(asked);
    return NOTHING;
  });
  if ((claimed.now?.leases.length ?? 0) > 0) failpoint('remote.after-claim');
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
  if (claimed.leases.length > 0) failpoint('remote.after-claim');
  if (claimed.leases.length === 0 && claimed.alone === null) return NOTHING;
  let noted: Noted;
  try {
    noted = await store.sqlite.within(() => note(parts, claimed));
  } catch (error) {
    await remote.quietly(() => giveBack(remote, claimed.leases));
    throw error;
  }
  return takeNoted(parts, noted);
}

/** Runs inside a transaction. Each attempt is committed before anybody hears of it. */
export function note({ store, remote, epoch, turn }: TurnParts, claimed: Claimed): Noted {
  const { nowMs } = turn;
  const claims: Claim[] = [];
  const kept: Lease[] = [];
  const strangers: Lease[] = [];
  const unwanted: Lease[] = [];
  let alone = claimed.alone;
  const waiting = alone === null ? null : (store.books.find(alone)?.jobId ?? null);
  if (waiting !== null) alone = String(waiting);
  for (const lease of claimed.leases) {
    const { parcel, attempt, crashes, token } = lease;
    const found = store.books.find(parcel.id);
    const own = found === null || hasEnded(found) ? null : found;
    if (own === null && parcel.origin === remote.origin && !parcel.isShared) {
      strangers.push(lease);
      continue;
    }
    if (own === null ? !remote.takesGuests : own.isUnwanted === 1) {
      unwanted.push(lease);
      continue;
    }
    const claim = claimOf(lease, own === null ? parcel.id : String(own.jobId), epoch, nowMs);
    if (own === null) store.books.putForeign(claim, parcel.origin, token, nowMs);
    else store.books.take(own, { redisId: parcel.id, attempt, crashes, epoch, token, atMs: nowMs });
    if (parcel.id === claimed.alone) alone = claim.id;
    claims.push(claim);
    kept.push(lease);
  }
  return { claims, leases: kept, alone, strangers, unwanted };
}

/** Once they are committed. */
export async function takeNoted({ remote, epoch, turn }: TurnParts, noted: Noted): Promise<Taken> {
  const { nowMs } = turn;
  const { claims, leases, alone, strangers, unwanted } = noted;
  if (claims.length > 0) failpoint('remote.after-commit');
  for (const [index, lease] of leases.entries()) remote.leases.set(claims[index]?.id ?? '', lease);
  // The claims are ours by now: nothing that goes wrong here may keep them from who asked for them.
  const guests = leases.filter((lease, index) => claims[index]?.id === lease.parcel.id);
  void remote.quietly(() => remote.claims.tell(guests, remote.self, nowMs));
  await remote.quietly(async () => {
    await remote.claims.drop(strangers);
    for (const lease of unwanted) await remote.claims.refuse(lease, 'no longer wanted', nowMs, epoch);
  });
  const inOrder = [...claims].sort((a, b) => rank(a) - rank(b) || Number(a.id) - Number(b.id));
  return { claims: inOrder, alone };
}

export async function giveBack(remote: Remote, leases: readonly Lease[]): Promise<void> {
  await Promise.all(leases.map((lease) => remote.claims.giveBack(lease)));
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
