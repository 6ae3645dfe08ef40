import type { JobId } from '../job/job.js';
import type { StoredBreaker } from './breaker-contract.js';
import { BookReads } from './bullmq/book-reads.js';
import type {
  CancelAnswer,
  Claim,
  End,
  HeldElsewhere,
  Orphan,
  Owner,
  Ownership,
  RedriveAnswer,
  TaskSettings,
  Turn,
  TurnResult,
} from './contract.js';
import type { Capabilities, Store } from './engine.js';
import type { AdmissionBatch, AdmissionReport, CursorPage, CursorRecord, Scope } from './intake-contract.js';
import type { QueueCounts } from './read-contract.js';

/**
 * A store whose engine may become another one while it is held: rows, and so all reads, are SQLite's in either case. Calls
 * that the two engines answer differently go through `call`.
 */
export abstract class DelegatingStore extends BookReads implements Store {
  /** The one that answers now. */
  abstract get engine(): Store;
  protected abstract call<T>(work: (engine: Store) => Promise<T>): Promise<T>;

  get capabilities(): Capabilities {
    return this.engine.capabilities;
  }

  admit(batch: AdmissionBatch): Promise<AdmissionReport> {
    return this.call((engine) => engine.admit(batch));
  }

  cursors(scope: Scope, page?: CursorPage): Promise<readonly CursorRecord[]> {
    return this.sqlite.cursors(scope, page);
  }

  turn(turn: Turn): Promise<TurnResult> {
    return this.call((engine) => engine.turn(turn));
  }

  clockJumped(byMs: number): void {
    this.engine.clockJumped(byMs);
  }

  renew(claims: readonly Pick<Claim, 'id' | 'epoch' | 'attempt'>[]): Promise<readonly JobId[]> {
    return this.call((engine) => engine.renew(claims));
  }

  changedElsewhere(): boolean {
    return this.engine.changedElsewhere();
  }

  breakers(): Promise<readonly StoredBreaker[]> {
    return this.sqlite.breakers();
  }

  takeOwnership(owner: Owner, nowMs: number): Promise<Ownership> {
    return this.call((engine) => engine.takeOwnership(owner, nowMs));
  }

  releaseOwnership(epoch: number, nowMs: number): Promise<void> {
    return this.sqlite.releaseOwnership(epoch, nowMs);
  }

  configureTasks(workspaces: readonly string[], tasks: readonly TaskSettings[]): Promise<void> {
    return this.call((engine) => engine.configureTasks(workspaces, tasks));
  }

  orphans(): Promise<readonly Orphan[]> {
    return this.call((engine) => engine.orphans());
  }

  rescue(ends: readonly End[], nowMs: number): Promise<readonly ('recorded' | 'lost')[]> {
    return this.call((engine) => engine.rescue(ends, nowMs));
  }

  pulse(epoch: number, nowMs: number, isTrusted: boolean): Promise<void> {
    return this.sqlite.pulse(epoch, nowMs, isTrusted);
  }

  heldElsewhere(): HeldElsewhere | null {
    return this.sqlite.heldElsewhere();
  }

  cancel(workspace: string, ids: readonly JobId[], nowMs: number): Promise<readonly CancelAnswer[]> {
    return this.call((engine) => engine.cancel(workspace, ids, nowMs));
  }

  redrive(workspace: string, ids: readonly JobId[], nowMs: number): Promise<readonly RedriveAnswer[]> {
    return this.call((engine) => engine.redrive(workspace, ids, nowMs));
  }

  setPaused(workspace: string, task: string | null, paused: boolean, nowMs: number): Promise<boolean> {
    return this.call((engine) => engine.setPaused(workspace, task, paused, nowMs));
  }

  prune(endedBeforeMs: number, limit: number): Promise<number> {
    return this.call((engine) => engine.prune(endedBeforeMs, limit));
  }

  counts(nowMs?: number): Promise<QueueCounts> {
    return this.engine.counts(nowMs);
  }

  acknowledgeDamaged(nowMs: number): Promise<number> {
    return this.call((engine) => engine.acknowledgeDamaged(nowMs));
  }

  close(): Promise<void> {
    return this.engine.close();
  }
}
