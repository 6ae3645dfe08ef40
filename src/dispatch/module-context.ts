/** What a handler module is told beside its payload. */
export interface ModuleContext {
  readonly jobId: string;
  readonly key: string;
  readonly task: string;
  /** null for a job that was added by hand. */
  readonly source: string | null;
  readonly workspace: string;
  /** Grows with every try of the job, from 1. */
  readonly attempt: number;
  /** Aborted when the job is cancelled, takes too long or the worker stops. What goes on after the grace is killed. */
  readonly signal: AbortSignal;
  /** How far the work is, in per cent, for the screens. */
  progress(percent: number): void;
}

/**
 * The default export of a handler module. What it returns is kept as the job's result, if it is JSON; what it throws is a
 * failed attempt. The payload is whatever JSON the record holds: its type is a claim of the handler's, which `require` of the
 * source can make good. On the error, `retry = false` makes the job a dead letter at once, `retry = 'later'` asks for another
 * try that is not charged, and `unavailable = true` says that something it needs is away.
 */
export type ModuleHandler<Payload = unknown, Result = unknown> = (
  payload: Payload,
  context: ModuleContext,
) => Result | Promise<Result>;
