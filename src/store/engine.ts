import type { DoggedError } from '../job/errors.js';
import type { ClaimStore, UpkeepStore } from './contract.js';
import type { IntakeStore } from './intake-contract.js';
import type { ReadStore } from './read-contract.js';
import type { TraceStore } from './trace-contract.js';

/**
 * - `worker`: the one process that owns the state folder; waits at most 50 ms for a lock, then tries again later.
 * - `command`: a short writer; waits up to 5 s for a lock, and takes none for more than 1,000 rows.
 * - `read`: never writes, never waits for writers.
 */
export type StoreUse = 'worker' | 'command' | 'read';

/** That an older database was brought up to this program. */
export interface Upgrade {
  /** Versions of the schema. */
  readonly from: number;
  readonly to: number;
  /** Where the database is kept as it was before. */
  readonly backup: string;
}

/** What is told beside the answers to calls. */
export interface StoreEvents {
  /** A migration, once it is done. */
  readonly onUpgrade?: (upgrade: Upgrade) => void;
  /** A call found the database damaged; it fails with the same error. */
  readonly onDamage?: (error: DoggedError) => void;
  /** The disk refused a write: full, read-only, gone. Told once, and with null when one has succeeded again. */
  readonly onStorage?: (problem: DoggedError | null) => void;
}

export interface Capabilities {
  /** Claims follow the rank across all tasks. */
  readonly globalOrder: boolean;
  /** All claims of one call are taken in one transaction. */
  readonly atomicBatchClaim: boolean;
}

/** All five parts of the contract. Only composition roots and commands hold one; everybody else is handed a part. */
export interface Store extends IntakeStore, ClaimStore, UpkeepStore, ReadStore, TraceStore {
  readonly capabilities: Capabilities;
  close(): Promise<void>;
}
