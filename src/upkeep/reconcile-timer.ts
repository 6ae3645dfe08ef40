import type { Clock } from '../platform/clock.js';
import { plural } from '../platform/duration-text.js';
import type { Log } from '../platform/log.js';

/** What is asked of intake. */
export interface Reconciles {
  reconcile(which: 'moved'): Promise<
    readonly {
      readonly name: string;
      /** Records that no poll had admitted. */
      readonly queued: number;
      readonly account: { readonly records: number; readonly openCount: number };
    }[]
  >;
}

/**
 * Holds the sources that changed against the ledger: at the start, and then as often as the config says. Polling leaves
 * nothing open, so what is found here was missed, and is said loudly. A failure is logged and tried again at the next time.
 */
export function createReconcileTimer(options: {
  readonly everyMs: number;
  readonly intake: Reconciles;
  readonly clock: Clock;
  readonly log: Log;
}): { start(): void; stop(): void } {
  const { everyMs, intake, clock, log } = options;
  let cancel: () => void = () => {};
  let stopped = false;

  const reconcile = async () => {
    try {
      for (const { name, queued, account } of await intake.reconcile('moved')) {
        const fields = { source: name, queued, records: account.records, open: account.openCount };
        if (queued > 0)
          log.warn(
            fields,
            `reconcile queued ${plural(queued, 'record')} of ${name} that no poll had admitted`,
          );
        else log.debug(fields, 'every record is accounted for');
      }
    } catch (error) {
      log.error({ err: error }, 'the sources could not be reconciled; it is tried again');
    }
    if (!stopped) cancel = clock.after(everyMs, () => void reconcile(), { background: true });
  };

  return {
    start: () => void reconcile(),
    stop() {
      stopped = true;
      cancel();
    },
  };
}
