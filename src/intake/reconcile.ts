import { pause } from '../platform/clock.js';
import type { IntakeStore } from '../store/intake-contract.js';
import type { SourceAccount } from './account-book.js';
import { type AccountParts, openName, takeAccount } from './take-account.js';

/** A writer that goes on and on is not followed for ever. */
const MOST_ROUNDS = 20;

/**
 * Proves for one source that the store accounts for every record that stands in its files. What is open at the first look
 * is looked at again: only what both looks found is unaccounted for.
 */
export async function auditSource(parts: AccountParts): Promise<SourceAccount> {
  const first = await takeAccount(parts);
  if (first.openCount === 0 || parts.isStopping()) return first;
  await pause(parts.clock, parts.lookAgainMs);
  const second = await takeAccount(parts);
  return { ...second, ...openInBoth(first, second) };
}

/** What is new between two looks is in no fault: only what both found is unaccounted for. */
function openInBoth(first: SourceAccount, second: SourceAccount): Pick<SourceAccount, 'open' | 'openCount'> {
  const before = new Set(first.open.map(openName));
  const open = second.open.filter((record) => before.has(openName(record)));
  // Past what is listed only numbers can be compared.
  const isListed = first.open.length === first.openCount && second.open.length === second.openCount;
  return { open, openCount: isListed ? open.length : Math.min(first.openCount, second.openCount) };
}

export interface ReconcileParts extends AccountParts {
  readonly store: AccountParts['store'] & Pick<IntakeStore, 'admit'>;
  readonly onQueued: () => void;
}

export interface Reconciliation {
  /** How things stand afterwards. */
  readonly account: SourceAccount;
  /** Records that nobody had admitted, and that are jobs now. */
  readonly queued: number;
  /** What could not be closed: open in each of the last two looks. What was written in between is open, and not among them. */
  readonly unaccounted: number;
}

/**
 * Closes what is open in one source: what two looks found open is admitted through the same door as any
 * record, under its key. So nothing is queued twice, whoever else reads the same files meanwhile, and a second run has
 * nothing left to do.
 */
export async function reconcileSource(parts: ReconcileParts): Promise<Reconciliation> {
  let account = await takeAccount(parts);
  let queued = 0;
  let unaccounted = account.openCount;
  for (let round = 1; account.openCount > 0 && round <= MOST_ROUNDS && !parts.isStopping(); round += 1) {
    await pause(parts.clock, parts.lookAgainMs);
    const { store, onQueued } = parts;
    const before = account;
    account = await takeAccount(parts, { store, onQueued, open: new Set(account.open.map(openName)) });
    const { queued: opened = 0, superseded = 0, held = 0 } = account.results;
    queued += opened + superseded + held;
    unaccounted = openInBoth(before, account).openCount;
    if (opened + superseded + held === 0 && account.openCount >= before.openCount) break;
  }
  return { account, queued, unaccounted };
}
