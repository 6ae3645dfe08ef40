/** What the config says of a store on Redis. */
export interface RemoteSettings {
  /** Without user and password: those come from the environment. */
  readonly url: string;
  /** Tells this machine from others. */
  readonly site: string;
  /** Sources on storage that several machines see. */
  readonly sharedSources: readonly string[];
  /** A claim that is not renewed for so long is anybody's. */
  readonly leaseMs: number;
  /** Machines that may die under a job before it is a dead letter. */
  readonly poisonAfter: number;
  /** How often all that Redis holds is held against the books. */
  readonly reconcileMs: number;
  /** Tasks of which no more may run at all machines together. */
  readonly fleetConcurrency: readonly { readonly task: string; readonly limit: number | null }[];
}

/** What is told beside the answers to calls. */
export interface RemoteEvents {
  /** Redis is away, or takes no more; null: all is well again. */
  readonly onRemote?: (problem: string | null) => void;
  readonly onRemoteWarning?: (text: string) => void;
  /** Something unforeseen in what runs in the background; it is tried again. */
  readonly onRemoteError?: (error: unknown) => void;
}
