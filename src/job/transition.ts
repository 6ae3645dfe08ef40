import type { JobState } from './job.js';

/**
 * Every change of state that may happen, and what brings it about. What is not in this table cannot happen;
 * the database refuses to leave a terminal state by a trigger of its own, `redrive` aside.
 */
export const TRANSITIONS: Readonly<Record<JobState, Readonly<Partial<Record<JobState, string>>>>> = {
  pending: {
    pending: 'superseded by a newer version of its record',
    running: 'claimed',
    cancelled: 'cancelled while it waited',
    expired: 'its end passed before it could start',
  },
  running: {
    completed: 'done',
    failed: 'budget used up, or refused by its handler',
    cancelled: 'cancelled while it ran',
    pending: 'retry, or given back by a worker that stopped or died',
  },
  completed: {},
  failed: { pending: 'redrive: a new budget through `dogged retry`' },
  cancelled: { pending: 'redrive: a new budget through `dogged retry`' },
  expired: {},
};

export function canMove(from: JobState, to: JobState): boolean {
  return TRANSITIONS[from][to] !== undefined;
}
