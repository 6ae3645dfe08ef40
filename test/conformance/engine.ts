import type { Capabilities, Store, StoreUse } from '../../src/store/engine.js';

/** What the conformance suite must know of an engine: how to get at a fresh store of it, and what it does not claim to do. */
export interface Engine {
  readonly name: string;
  readonly capabilities: Capabilities;
  /** A new, empty store that is removed after the test. `open` gives one more handle to it, as another process would have. */
  fresh(): Promise<FreshStore>;
}

export interface FreshStore {
  open(use: StoreUse): Promise<Store>;
}
