import type { PollTally } from './tally.js';

/** Hears of what was committed. Must be quick, and never throw. */
export interface IntakeObserver {
  polled(source: string, isWell: boolean): void;
  admitted(source: string, tally: PollTally): void;
  /** So many records that no poll had admitted. */
  reconciled(source: string, queued: number): void;
}
