import type { Clock } from '../platform/clock.js';
import type { Log } from '../platform/log.js';
import type { UpkeepStore } from '../store/contract.js';

const HOUR_MS = 3_600_000;
/** Rows in one transaction: small enough that claims between two of them do not wait. */
const BATCH = 500;

/**
 * Removes ended jobs that are older than `keepMs`, once an hour, in small batches. The ledger keeps what it knows, so
 * nothing runs again. A failure is logged and tried again in an hour.
 */
export function createPruneTimer(options: {
  readonly keepMs: number;
  readonly store: Pick<UpkeepStore, 'prune'>;
  readonly clock: Clock;
  readonly log: Log;
}): { start(): void; stop(): void } {
  const { keepMs, store, clock, log } = options;
  let cancel: () => void = () => {};
  let stopped = false;

  const prune = async () => {
    try {
      let removed = 0;
      for (let batch = BATCH; batch === BATCH && !stopped; removed += batch) {
        batch = await store.prune(clock.wallMs() - keepMs, BATCH);
        await new Promise(setImmediate);
      }
      if (removed > 0) log.info({ removed }, 'ended jobs were pruned; the ledger still knows them');
    } catch (error) {
      log.error({ err: error }, 'old jobs could not be pruned');
    }
    if (!stopped) cancel = clock.after(HOUR_MS, () => void prune(), { background: true });
  };

  return {
    start: () => void prune(),
    stop() {
      stopped = true;
      cancel();
    },
  };
}
