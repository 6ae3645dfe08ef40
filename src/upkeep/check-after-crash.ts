import type { Clock } from '../platform/clock.js';
import type { Log } from '../platform/log.js';

/**
 * Reads every page of the database beside the work, after a worker that did not stop in order: a power cut may have torn some.
 * It takes minutes on a slow card, and no claim waits for it. `onDamage` hears what is wrong; that the check itself failed
 * is logged, and is no damage.
 */
export async function checkAfterCrash(options: {
  readonly care: { findDamage(signal: AbortSignal): Promise<string | null> };
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly onDamage: (detail: string) => Promise<void>;
}): Promise<void> {
  const { care, clock, log, signal, onDamage } = options;
  const startedAtMs = clock.monotonicMs();
  try {
    const damage = await care.findDamage(signal);
    const tookMs = Math.round(clock.monotonicMs() - startedAtMs);
    if (damage === null)
      log.info({ tookMs }, 'the last stop was not in order; every page of the database is sound');
    else await onDamage(damage);
  } catch (error) {
    if (!signal.aborted) log.warn({ err: error }, 'the database could not be checked after an unclean stop');
  }
}
