import type { JobSummary } from './read-contract.js';

/*
 * The fifth part of the store's contract: what is known of the hand-offs from file to handler.
 */

export interface TraceStore {
  /**
   * Dead letters whose stored payload did not match its hash when they were claimed, oldest first, and which nobody has
   * acknowledged since.
   */
  damaged(limit: number): Promise<readonly JobSummary[]>;
  /** Somebody has seen what `damaged` tells: it tells it no more, unless they are damaged again. Returns how many that were. */
  acknowledgeDamaged(nowMs: number): Promise<number>;
}

/** What a reader may ask of it. */
export type TraceReads = Omit<TraceStore, 'acknowledgeDamaged'>;
