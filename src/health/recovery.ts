import { freshNonce } from '../heartbeat/nonce.js';
import type { RecoveryEvent } from '../heartbeat/recovery-log.js';
import type { Clock } from '../platform/clock.js';
import type { MonitorLog } from './monitor-log.js';

interface Trouble {
  readonly cause: string;
  /** What was seen, taken before anything was done about it. */
  readonly evidence: Readonly<Record<string, unknown>>;
}

/** Tells of each recovery twice, once when it begins and once when its outcome is known. */
export interface RecoveryTeller {
  /** Trouble was noticed. What an earlier one is still waiting for has then failed. */
  notice(trouble: Trouble): void;
  /** Trouble of this cause was noticed, and is not over. */
  isOpen(cause: string): boolean;
  /** What is done about it, in words for people. */
  act(outcome: 'begun' | 'waiting' | 'gave-up', action: string): void;
  /** The worker is well again. */
  settle(workerPid: number): void;
}

/** Hears the same in fewer words. */
export interface RecoveryListener {
  /** The worker is not at work, and `what` is done about it. */
  trouble(outcome: 'stuck' | 'gave-up', what: string): void;
  /** It is: said at every look. */
  well(workerPid: number): void;
}

const NOBODY: RecoveryListener = { trouble: () => undefined, well: () => undefined };

export function createRecoveryTeller(
  log: MonitorLog,
  record: (event: RecoveryEvent) => void,
  clock: Clock,
  listener: RecoveryListener = NOBODY,
): RecoveryTeller {
  let open: (Trouble & { recovery: string; noticedAtMs: number; action: string }) | null = null;

  const write = (outcome: RecoveryEvent['outcome'], tookMs: number | null) => {
    if (open === null) return;
    const { recovery, cause, evidence, action } = open;
    record({ recovery, cause, evidence, action, outcome, tookMs });
  };

  return {
    notice(trouble) {
      write('failed', null);
      open = { ...trouble, recovery: freshNonce(), noticedAtMs: clock.monotonicMs(), action: '' };
    },
    isOpen: (cause) => open?.cause === cause,
    act(outcome, action) {
      if (open === null) return;
      // Waiting for the same thing again is no news.
      if (open.action === action) return;
      open.action = action;
      write(outcome, null);
      log[outcome === 'begun' ? 'warn' : 'error'](`🔄 RECOVERY: ${action}`, { cause: open.cause });
      listener.trouble(outcome === 'gave-up' ? 'gave-up' : 'stuck', action);
    },
    settle(workerPid) {
      listener.well(workerPid);
      if (open === null) return;
      const tookMs = Math.round(clock.monotonicMs() - open.noticedAtMs);
      write('recovered', tookMs);
      open = null;
      log.info(`🔄 RECOVERY: the worker (PID ${workerPid}) is at work again after ${tookMs} ms`);
    },
  };
}
