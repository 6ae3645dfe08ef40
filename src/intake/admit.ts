import { randomUUID } from 'node:crypto';
import type { TaskConfig } from '../config/config.js';
import { DoggedError } from '../job/errors.js';
import { isWorkspaceId, type JobId, type JobState } from '../job/job.js';
import { failpoint } from '../platform/failpoint.js';
import type {
  AdmissionReport,
  CursorPage,
  CursorRecord,
  IntakeStore,
  Scope,
} from '../store/intake-contract.js';
import { type BatchTrace, onlyBatch } from '../trace/cycle-trace.js';
import { groupOf } from './judge.js';
import { createNormaliser } from './normalise.js';
import { isRefusal } from './refusal.js';
import type { Step } from './step.js';

/** Cursors that are read before the loop turns: about 4 ms. */
const CURSORS_A_PAGE = 1_000;

/**
 * The door of one source: each step becomes one transaction that moves cursors, ledger, rejects and jobs together. Keeps
 * the epochs of the cursors, so a second reader of the same source is noticed instead of overtaken.
 */
export class AdmissionDoor {
  readonly #store: IntakeStore;
  readonly #scope: Scope;
  readonly #epochs = new Map<string, number>();
  /** False until the cursors are read, and again after a step that may or may not have been written. */
  isInStep = false;

  constructor(store: IntakeStore, scope: Scope) {
    this.#store = store;
    this.#scope = scope;
  }

  /** What the store remembers, page by page. */
  async *cursors(): AsyncGenerator<readonly CursorRecord[], void> {
    this.#epochs.clear();
    for (let afterPath: string | undefined = ''; afterPath !== undefined; ) {
      const page: CursorPage = { afterPath, limit: CURSORS_A_PAGE };
      const cursors = await this.#store.cursors(this.#scope, page);
      for (const { path, epoch } of cursors) this.#epochs.set(path, epoch);
      yield cursors;
      afterPath = cursors.length < page.limit ? undefined : cursors.at(-1)?.path;
    }
    this.isInStep = true;
  }

  /** Throws what the store throws (STORE_BUSY …): nothing was written then, and the step is to be read again. */
  async admit(step: Step, cycle: string, nowMs: number, trace?: BatchTrace): Promise<AdmissionReport> {
    failpoint('intake.after-read');
    this.isInStep = false;
    const report = await this.#store.admit({
      scope: this.#scope,
      cycle,
      ...(trace && { trace }),
      records: step.records,
      rejects: step.rejects.map(({ copy: _, ...reject }) => reject),
      rereadPaths: step.rereadPaths,
      cursors: step.cursors.map(({ path, body }) => ({
        path,
        body,
        expectedEpoch: this.#epochs.get(path) ?? 0,
      })),
      ...(step.plan !== undefined && { plan: step.plan }),
      nowMs,
    });
    if (!report.committed) return report;
    this.isInStep = true;
    for (const { path, body } of step.cursors) {
      if (body === null) this.#epochs.delete(path);
      else this.#epochs.set(path, (this.#epochs.get(path) ?? 0) + 1);
    }
    return report;
  }
}

export interface AddedJob {
  readonly workspace: string;
  readonly task: string;
  /** Makes a second `add` with this key a duplicate; without one every call is a job of its own. */
  readonly key?: string | undefined;
  /** One JSON value. */
  readonly payloadText: string;
  readonly priority: number;
  readonly runAtMs: number;
  /** null: the value of the task's group field, as for a record of a file. */
  readonly group: string | null;
  readonly groupRule: TaskConfig['group'];
  readonly maxAttempts: number;
  readonly nowMs: number;
}

export interface AddAnswer {
  /** null when the duplicate's job was pruned. */
  readonly id: JobId | null;
  readonly result: 'queued' | 'duplicate';
  readonly state: JobState;
}

/** The caps of a source, for what is added by hand. */
const MAX_ADDED_BYTES = 1024 * 1024;
const MAX_ADDED_DEPTH = 64;

/**
 * Admits one job by hand, through the same guards and the same door as records of files. Key and job are one write. Throws
 * PAYLOAD_INVALID or WORKSPACE_INVALID.
 */
export async function admitAdded(store: IntakeStore, job: AddedJob): Promise<AddAnswer> {
  if (!isWorkspaceId(job.workspace)) throw new DoggedError('WORKSPACE_INVALID', { workspace: job.workspace });
  const rule = { key: null, version: null, maxRecordBytes: MAX_ADDED_BYTES, maxDepth: MAX_ADDED_DEPTH };
  const key = job.key ?? randomUUID();
  const record = createNormaliser(rule)({ bytes: Buffer.from(job.payloadText), fallbackKey: key });
  if (isRefusal(record)) throw new DoggedError('PAYLOAD_INVALID', { detail: record.detail });

  const admitted = {
    key,
    occurrenceIn: null,
    version: record.version,
    onChange: 'ignore',
    payload: record.payload,
    task: job.task,
    priority: job.priority,
    runAtMs: job.runAtMs,
    expiresAtMs: null,
    timeoutMs: null,
    group: job.group ?? groupOf(record.value, job.groupRule),
    maxAttempts: job.maxAttempts,
  } as const;
  const report = await store.admit({
    scope: { workspace: job.workspace, kind: 'task', name: job.task },
    cycle: newCycle(job.nowMs),
    trace: onlyBatch([admitted], job.nowMs),
    records: [admitted],
    rejects: [],
    rereadPaths: [],
    cursors: [],
    nowMs: job.nowMs,
  });
  const answer = report.committed ? report.answers[0] : undefined;
  if (answer === undefined) throw new Error('a batch without cursors cannot conflict');
  return { id: answer.id, result: answer.result === 'queued' ? 'queued' : 'duplicate', state: answer.state };
}

/** Id of one poll that found something: time for people, four characters to tell two polls of one millisecond apart. */
export function newCycle(nowMs: number): string {
  return `${nowMs}-${randomUUID().slice(0, 4)}`;
}
