import type { Clock } from '../../platform/clock.js';
import type { Claims } from './claims.js';
import type { Lease } from './lease.js';
import type { RedisLink } from './redis-link.js';

const LOOK_MS = 500;

export interface LeaseWatchOptions {
  readonly link: RedisLink;
  readonly claims: Claims;
  readonly clock: Clock;
  readonly leaseMs: number;
  readonly onError: (error: unknown) => void;
}

/**
 * Keeps the leases of what runs here, and our voice, in a rhythm of its own: neither a database that is locked for a while nor a long backlog
 * that is sent must cost them.
 */
export class LeaseWatch {
  /** Attempts of ours, by the id under which the dispatcher knows them. */
  readonly leases = new Map<string, Lease>();
  readonly #options: LeaseWatchOptions;
  readonly #interrupted = new Set<string>();
  #nextRenewMs = 0;
  #cancel: (() => void) | null = null;
  #isOver = false;

  constructor(options: LeaseWatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#cancel = this.#options.clock.after(LOOK_MS, () => void this.#look(), { background: true });
  }

  stop(): void {
    this.#isOver = true;
    this.#cancel?.();
  }

  get hasNews(): boolean {
    return this.#interrupted.size > 0;
  }

  /** To be stopped: their lease is over, or their owner has cancelled them. Each is told once. */
  takeInterrupted(): string[] {
    const ids = [...this.#interrupted];
    this.#interrupted.clear();
    return ids;
  }

  async #look(): Promise<void> {
    const { link, claims, clock, leaseMs, onError } = this.#options;
    const leases = [...this.leases.values()];
    try {
      if (link.isUp) await link.look();
      if (link.isUp && leases.length > 0) {
        const nowMs = clock.monotonicMs();
        const isDue = nowMs >= this.#nextRenewMs;
        const lost = isDue ? await claims.renew(leases) : [];
        if (isDue) this.#nextRenewMs = nowMs + leaseMs / 3;
        for (const lease of [...lost, ...(await claims.cancelled(leases))]) this.#interrupt(lease);
      }
    } catch (error) {
      onError(error);
    }
    if (!this.#isOver) this.start();
  }

  #interrupt(lost: Lease): void {
    for (const [id, lease] of this.leases) if (lease === lost) this.#interrupted.add(id);
  }
}
