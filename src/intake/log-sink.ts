export interface FoundValue {
  /** Valid until the next turn. */
  readonly bytes: Buffer;
  readonly offset: number;
  readonly line: number | null;
  /** True where the whole window is ASCII: to ask once for each record costs more than to look. */
  readonly isAscii?: boolean;
  readonly scanned?: { readonly maxDepth: number; readonly hasSpace: boolean };
}

/** What becomes of that which a walk finds. */
export interface LogSink {
  /**
   * A value stands as a whole. False: its bytes are no JSON, so in an array nothing after it can be trusted. A line
   * stands alone: its neighbours do not depend on it.
   */
  value(found: FoundValue, standsAlone: boolean): boolean;
  /** A value larger than the cap was passed over; `bytes` is how it begins. */
  tooLarge(found: FoundValue, lengthBytes: number): void;
  /** A stretch with NUL bytes was passed over. */
  nulBytes(found: FoundValue): void;
  /** These bytes, which follow those of the last call, are done with. */
  passed(bytes: Buffer): void;
}
