import type { Clock } from '../../platform/clock.js';
import { RedisMirror } from '../mirror/redis-mirror.js';
import type { MirrorEvents, MirrorWork } from '../mirror/work.js';
import type { Move } from '../move-contract.js';
import type { SqliteStore } from '../sqlite/store.js';
import type { MirrorCare } from './mover.js';
import { withRedis } from './with-redis.js';

export interface MirrorCareOptions {
  readonly sqlite: SqliteStore;
  readonly clock: Clock;
  readonly events: MirrorEvents;
}

/** Keeps the mirror at work in this worker for as long as the move has one. */
export class WorkerMirror implements MirrorCare {
  readonly #options: MirrorCareOptions;
  #running: { readonly mirror: string; readonly work: MirrorWork } | null = null;

  constructor(options: MirrorCareOptions) {
    this.#options = options;
  }

  async follow(move: Move | null): Promise<void> {
    const wanted = move === null || move.phase === 'ending' ? null : move.mirror;
    if (this.#running?.mirror === wanted || (this.#running === null && wanted === null)) return;
    await this.close();
    if (move === null || wanted === null) return;
    const { MirrorWork } = await import('../mirror/work.js');
    const work = new MirrorWork({ ...this.#options, target: move.target, mirror: wanted });
    this.#running = { mirror: wanted, work };
    work.start();
  }

  /** Nothing is mirrored any more: nobody writes a key while they are removed. */
  async drop({ target, mirror }: Move): Promise<void> {
    await this.close();
    if (mirror === null) return;
    await withRedis(target, this.#options.clock, (link) => new RedisMirror(link, mirror).drop());
  }

  async close(): Promise<void> {
    await this.#running?.work.stop();
    this.#running = null;
  }
}
