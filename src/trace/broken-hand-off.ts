import { DoggedError } from '../job/errors.js';
import type { CycleTrace } from './cycle-trace.js';

/** What was handed on is not what had been taken: nothing of the batch was stored, and the caller reads it again. */
export class BrokenHandOff extends DoggedError {
  readonly cycle: string;
  readonly trace: CycleTrace;

  constructor(cycle: string, trace: CycleTrace) {
    const { at, why } = trace.broken ?? { at: 'an unknown hand-off', why: 'no reason was told' };
    super('HANDOFF_BROKEN', { cycle, at, why });
    this.cycle = cycle;
    this.trace = trace;
  }
}
