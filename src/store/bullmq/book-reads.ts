import type { JobId } from '../../job/job.js';
import type { RejectedRecord, Scope } from '../intake-contract.js';
import type {
  AccountedRecord,
  JobDetails,
  JobFilter,
  JobSummary,
  Outage,
  ReadStore,
  RecordAccount,
  StoredReject,
} from '../read-contract.js';
import type { SqliteStore } from '../sqlite/store.js';
import type { BrokenCycle, KnownKey, StoredCycle, TraceReads } from '../trace-contract.js';

/** What is answered from the rows alone: wherever a job runs, its history stands here. */
export class BookReads implements Omit<ReadStore, 'counts'>, TraceReads {
  readonly sqlite: SqliteStore;

  constructor(sqlite: SqliteStore) {
    this.sqlite = sqlite;
  }

  list(filter: JobFilter): Promise<readonly JobSummary[]> {
    return this.sqlite.list(filter);
  }

  get(workspace: string | null, id: JobId): Promise<JobDetails | null> {
    return this.sqlite.get(workspace, id);
  }

  nextInLine(limit: number): Promise<readonly JobSummary[]> {
    return this.sqlite.nextInLine(limit);
  }

  rejects(source: string | null, limit: number): Promise<readonly StoredReject[]> {
    return this.sqlite.rejects(source, limit);
  }

  account(
    scope: Scope,
    records: readonly AccountedRecord[],
    nowMs: number,
  ): Promise<readonly RecordAccount[]> {
    return this.sqlite.account(scope, records, nowMs);
  }

  knowsRejects(
    scope: Scope,
    rejects: readonly Pick<RejectedRecord, 'path' | 'digest'>[],
  ): Promise<readonly boolean[]> {
    return this.sqlite.knowsRejects(scope, rejects);
  }

  outages(limit: number): Promise<readonly Outage[]> {
    return this.sqlite.outages(limit);
  }

  casualties(outage: string, limit: number): Promise<readonly JobSummary[] | null> {
    return this.sqlite.casualties(outage, limit);
  }

  cycle(cycle: string): Promise<StoredCycle | null> {
    return this.sqlite.cycle(cycle);
  }

  knownKeys(source: string, key: string, mostMentions: number): Promise<readonly KnownKey[]> {
    return this.sqlite.knownKeys(source, key, mostMentions);
  }

  brokenCycles(sinceMs: number, limit: number): Promise<readonly BrokenCycle[]> {
    return this.sqlite.brokenCycles(sinceMs, limit);
  }

  damaged(limit: number): Promise<readonly JobSummary[]> {
    return this.sqlite.damaged(limit);
  }
}
