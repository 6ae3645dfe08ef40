import type { JobId } from '../../job/job.js';
import type { RejectedRecord, Scope } from '../intake-contract.js';
import type {
  AccountedRecord,
  JobDetails,
  JobFilter,
  JobSummary,
  Outage,
  QueueCounts,
  ReadStore,
  RecordAccount,
  StoredReject,
} from '../read-contract.js';
import type { BrokenCycle, KnownKey, StoredCycle, TraceReads } from '../trace-contract.js';
import type { Connection } from './connection.js';
import { readChosenStore } from './move-book.js';
import { readMove } from './move-row.js';
import type { Verbs } from './verbs.js';

/** What may be asked of this engine: none of it waits for the writer. */
export class SqliteReads implements ReadStore, TraceReads {
  protected readonly connection: Connection;
  protected readonly verbs: Verbs;

  constructor(connection: Connection, verbs: Verbs) {
    this.connection = connection;
    this.verbs = verbs;
  }

  counts(nowMs?: number): Promise<QueueCounts> {
    const { db } = this.connection;
    return this.read(() => {
      const move = readMove(db);
      const chosen = readChosenStore(db);
      return {
        ...this.verbs.reading.counts(nowMs),
        ...(move === null ? {} : { move }),
        ...(chosen === null ? {} : { chosenStore: chosen.store }),
      };
    });
  }

  list(filter: JobFilter): Promise<readonly JobSummary[]> {
    return this.read(() => this.verbs.listing.list(filter));
  }

  get(workspace: string | null, id: JobId): Promise<JobDetails | null> {
    return this.read(() => this.verbs.reading.get(workspace, id));
  }

  damaged(limit: number): Promise<readonly JobSummary[]> {
    return this.read(() => this.verbs.damaged.list(limit));
  }

  cycle(cycle: string): Promise<StoredCycle | null> {
    return this.read(() => this.verbs.cycleReading.cycle(cycle));
  }

  knownKeys(source: string, key: string, mostMentions: number): Promise<readonly KnownKey[]> {
    return this.read(() => this.verbs.cycleReading.keys(source, key, mostMentions));
  }

  brokenCycles(sinceMs: number, limit: number): Promise<readonly BrokenCycle[]> {
    return this.read(() => this.verbs.cycleReading.broken(sinceMs, limit));
  }

  nextInLine(limit: number): Promise<readonly JobSummary[]> {
    return this.read(() => this.verbs.listing.nextInLine(limit));
  }

  rejects(source: string | null, limit: number): Promise<readonly StoredReject[]> {
    return this.read(() => this.verbs.reading.rejects(source, limit));
  }

  account(
    scope: Scope,
    records: readonly AccountedRecord[],
    nowMs: number,
  ): Promise<readonly RecordAccount[]> {
    return this.read(() => this.verbs.accounts.records(scope, records, nowMs));
  }

  knowsRejects(
    scope: Scope,
    rejects: readonly Pick<RejectedRecord, 'path' | 'digest'>[],
  ): Promise<readonly boolean[]> {
    return this.read(() => this.verbs.accounts.rejects(scope, rejects));
  }

  outages(limit: number): Promise<readonly Outage[]> {
    return this.read(() => this.verbs.reading.outages.list(limit));
  }

  casualties(outage: string, limit: number): Promise<readonly JobSummary[] | null> {
    return this.read(() => this.verbs.reading.outages.casualties(outage, limit));
  }

  protected read<T>(work: () => T): Promise<T> {
    return this.connection.read(work);
  }
}
