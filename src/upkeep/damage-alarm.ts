import type { DoggedError } from '../job/errors.js';

/** Heard from anywhere in the worker that touches the database; a damaged one must stop everything, whoever finds it. */
export interface DamageAlarm {
  ring(error: DoggedError): void;
  /** Calls `action` with the first ring, also with one that came before. */
  onRing(action: (error: DoggedError) => void): void;
  hasRung(): boolean;
}

export function createDamageAlarm(): DamageAlarm {
  let first: DoggedError | null = null;
  let listener: ((error: DoggedError) => void) | null = null;
  return {
    ring(error) {
      if (first !== null) return;
      first = error;
      listener?.(error);
    },
    onRing(action) {
      listener = action;
      if (first !== null) action(first);
    },
    hasRung: () => first !== null,
  };
}
