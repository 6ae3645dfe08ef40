import type { Clock } from '../../platform/clock.js';
import type { Move } from '../move-contract.js';
import type { SqliteStore } from '../sqlite/store.js';
import type { MirrorEvents, MirrorWork } from './work.js';

export interface MirrorKeeperParts {
  readonly sqlite: Pick<SqliteStore, 'look' | 'within'>;
  readonly clock: Clock;
  readonly events: MirrorEvents;
}

/** The worker's mirror: at work while the row of a move says so. */
export class MirrorKeeper {
  readonly #parts: MirrorKeeperParts;
  #kept: { readonly mirror: string; readonly work: MirrorWork } | null = null;

  constructor(parts: MirrorKeeperParts) {
    this.#parts = parts;
  }

  /** Begins or stops as the row says. What is being sent is waited for, for a short while. */
  async follow(move: Move | null): Promise<void> {
    const mirror = move === null || move.phase === 'ending' ? null : move.mirror;
    if (mirror === (this.#kept?.mirror ?? null)) return;
    await this.close();
    if (move === null || mirror === null) return;
    const { MirrorWork } = await import('./work.js');
    const work = new MirrorWork({ ...this.#parts, target: mirrorAddress(move), mirror });
    work.start();
    this.#kept = { mirror, work };
  }

  /** Removes the keys of the mirror, page by page. Throws REDIS_AWAY; then, or when it is broken off, ask again. */
  async drop(move: Move): Promise<void> {
    const { clock } = this.#parts;
    if (move.mirror === null) return;
    await this.close();
    const { openMirrorLink } = await import('./work.js');
    const { RedisMirror } = await import('./redis-mirror.js');
    const link = openMirrorLink(mirrorAddress(move), clock);
    try {
      await link.settled();
      await new RedisMirror(link, move.mirror).drop();
    } finally {
      link.close();
    }
  }

  async close(): Promise<void> {
    const kept = this.#kept;
    this.#kept = null;
    await kept?.work.stop();
  }
}

/** Of the Redis that jobs go to, or come from. */
export function mirrorAddress({ source, target }: Pick<Move, 'source' | 'target'>): string {
  return target === 'sqlite' ? source : target;
}
