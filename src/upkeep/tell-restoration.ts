import { freshNonce } from '../heartbeat/nonce.js';
import { openRecoveryLog } from '../heartbeat/recovery-log.js';
import { type Clock, isoTime } from '../platform/clock.js';
import type { Log } from '../platform/log.js';

/** What became of a damaged database. */
interface RestorationFacts {
  readonly detail: string;
  readonly damagedAs: string;
  readonly from: string | null;
  readonly madeAtMs: number | null;
}

/** Says loudly, in the log and in `recovery.ndjson`, that the worker goes on with another database than before. */
export function tellRestoration(facts: RestorationFacts, stateFolder: string, clock: Clock, log: Log): void {
  const { detail, damagedAs, from, madeAtMs } = facts;
  const place =
    from === null
      ? 'No sound backup was there: an empty one has taken its place, and every record in the files runs again'
      : `The backup ${from} (of ${isoTime(madeAtMs ?? 0)}) has taken its place; what was done since is not known any more and runs again`;
  const text = `The database was damaged and is kept as ${damagedAs}. ${place}. Jobs added by hand since then are only in the damaged one.`;
  log.fatal(facts, text);
  openRecoveryLog(
    stateFolder,
    clock,
  )({
    recovery: freshNonce(),
    cause: 'damaged',
    evidence: { detail, keptAs: damagedAs },
    action: from === null ? 'began an empty database' : `put ${from} in its place`,
    outcome: 'recovered',
    tookMs: null,
  });
}
