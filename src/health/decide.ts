import type { HealthConfig } from '../config/config.js';
import { type Hang, tellHang } from '../heartbeat/hang-file.js';
import { EXIT } from '../job/errors.js';
import type { Sight } from './observe.js';

/*
 * What the monitor does about what it sees: two tables and no clock. The first judges a worker that runs, the second
 * one that has ended.
 */

export type Verdict =
  | { readonly is: 'well' }
  /** This look came too late to say anything. */
  | { readonly is: 'unseen' }
  /** Late, and not yet stuck, or waiting for what no restart mends: said, not acted on. */
  | { readonly is: 'late'; readonly why: string }
  | StuckVerdict;

export interface StuckVerdict {
  readonly is: 'stuck';
  readonly cause: StuckCause;
  readonly why: string;
  /** `kill`: it cannot answer. `ask`: it may end its jobs in order first. */
  readonly how: 'kill' | 'ask';
}

type StuckCause = 'hung' | 'no-first-beat' | 'stalled' | 'idle-stuck';

export interface Limits extends Pick<HealthConfig, 'freshMs' | 'stuckMs' | 'idleStuckAfterMs'> {
  readonly heartbeatEveryMs: number;
}

/** A worker has this long from its start to its first beat; a long start beats while it is `starting`. */
const FIRST_BEAT_WITHIN_MS = 30_000;

/** `hang`: where the worker's own guard says that its loop stands now. */
export function judge(sight: Sight, limits: Limits, hang: Hang | null = null): Verdict {
  if (sight.overslept) return { is: 'unseen' };
  if (hang !== null) return stuck('hung', `the event loop stands in ${tellHang(hang)}`, 'kill');
  const { what, forMs } = sight.standing;
  // Two beats must fit in: else a heartbeat slower than the threshold would condemn every worker.
  const stuckMs = Math.max(limits.stuckMs, 2 * limits.heartbeatEveryMs);
  const idleStuckMs = Math.max(limits.idleStuckAfterMs, 2 * limits.heartbeatEveryMs);

  if (!sight.hasBeat) {
    if (forMs <= Math.max(FIRST_BEAT_WITHIN_MS, limits.stuckMs)) return { is: 'well' };
    return stuck('no-first-beat', `no first beat for ${seconds(forMs)}`, 'kill');
  }
  if (forMs > stuckMs) {
    const why = `${WHAT_STANDS[what]} for ${seconds(forMs)}`;
    // A loop that stands cannot answer SIGTERM; one that turns can end its jobs in order.
    return what === 'beat' || what === 'loop' ? stuck('hung', why, 'kill') : stuck('stalled', why, 'ask');
  }
  if (sight.idleMs > idleStuckMs) {
    return stuck('idle-stuck', `work and free slots, but no claim for ${seconds(sight.idleMs)}`, 'ask');
  }
  if (sight.held !== null) return { is: 'late', why: sight.held };
  if (forMs > Math.max(limits.freshMs, limits.heartbeatEveryMs)) {
    return { is: 'late', why: `${WHAT_STANDS[what]} for ${seconds(forMs)}` };
  }
  return { is: 'well' };
}

const WHAT_STANDS: Readonly<Record<Sight['standing']['what'], string>> = {
  beat: 'no heartbeat',
  loop: 'the event loop has not turned',
  polls: 'no poll was finished',
  commits: 'nothing could be committed to the database',
  asyncFs: 'no file read came back',
};

function stuck(cause: StuckCause, why: string, how: 'kill' | 'ask'): Verdict {
  return { is: 'stuck', cause, why, how };
}

/** How a worker ended. `code` is null for a signal, and for an adopted worker, whose exit code nobody can learn. */
export interface End {
  readonly code: number | null;
  readonly signal: string | null;
  /** It had been given up as stuck, and we ended it. */
  readonly stuck: StuckCause | null;
  /** It beat, and lived long enough to have been of use. */
  readonly fruitful: boolean;
  /** What it said of why it did not start; null where it read no good config, and so could say nothing here. */
  readonly refusal: string | null;
}

export interface History {
  /** Starts that came to nothing since the last one that did not; this one included. */
  readonly fruitlessInARow: number;
  /** The same, counted within `restarts.withinMs`. */
  readonly fruitlessInWindow: number;
  /** There were too many before, and none of any use since. */
  readonly gaveUp: boolean;
}

export type Action =
  | { readonly do: 'start'; readonly afterMs: number }
  /** A restart cannot mend a config: wait until the file changes, and look again after this in any case. */
  | { readonly do: 'await-config'; readonly retryMs: number }
  /** The config is good, and what the worker found with it is not: ask again after this, and when the file changes. */
  | { readonly do: 'await-mending'; readonly retryMs: number }
  /** Another worker has the state folder: watch that one, or ask again after this. */
  | { readonly do: 'await-holder'; readonly retryMs: number }
  | { readonly do: 'give-up'; readonly retryMs: number };

/** After it gave up, the monitor tries again this often: what was broken may have been mended by then. */
export const SLOW_RETRY_MS = 15 * 60_000;
/** Its pid file is looked for every second; this is for a holder that leaves none. */
const HOLDER_RETRY_MS = 10_000;
/** Whoever sets Redis right need not tell us. */
const REDIS_RETRY_MS = 10_000;

export function decideOnEnd(end: End, history: History, restarts: HealthConfig['restarts']): Action {
  switch (causeOf(end)) {
    case 'config':
      return { do: 'await-config', retryMs: SLOW_RETRY_MS };
    case 'refused':
      return { do: 'await-mending', retryMs: SLOW_RETRY_MS };
    case 'redis':
      return { do: 'await-mending', retryMs: REDIS_RETRY_MS };
    case 'held':
      return { do: 'await-holder', retryMs: HOLDER_RETRY_MS };
    case 'died':
      if (end.fruitful) return { do: 'start', afterMs: 0 };
      if (history.gaveUp || history.fruitlessInWindow >= restarts.limit) {
        return { do: 'give-up', retryMs: SLOW_RETRY_MS };
      }
      return { do: 'start', afterMs: backoffMs(history.fruitlessInARow, restarts.backoff) };
  }
}

/** `refused`: another version's database, jobs in another store, and the like. `redis`: it cannot be used as it is. */
export type EndCause = 'config' | 'refused' | 'redis' | 'held' | 'died';

export function causeOf(end: End): EndCause {
  if (end.stuck !== null) return 'died';
  if (end.code === EXIT.config) return end.refusal === null ? 'config' : 'refused';
  if (end.code === EXIT.unavailable) return 'redis';
  if (end.code === EXIT.busy) return 'held';
  return 'died';
}

/** The first is repeated at once (whoever tries `kill -9` should not wait), then the pauses double. */
function backoffMs(inARow: number, { minMs, maxMs }: HealthConfig['restarts']['backoff']): number {
  return inARow <= 1 ? 0 : Math.min(maxMs, minMs * 2 ** Math.min(inARow - 2, 30));
}

function seconds(ms: number): string {
  return ms < 10_000 ? `${(ms / 1_000).toFixed(1)} s` : `${Math.round(ms / 1_000)} s`;
}
