import type { Next } from '../../src/job/outcome.js';
import { ledgerHash, takeSnapshot } from '../../src/job/snapshot.js';
import type { Claim, End, Owner, Turn, TurnResult } from '../../src/store/contract.js';
import type { Store } from '../../src/store/engine.js';
import type {
  AdmissionAnswer,
  AdmissionBatch,
  AdmissionRecord,
  RejectedRecord,
  Scope,
} from '../../src/store/intake-contract.js';
import type { FreshStore } from './engine.js';

/** The instant at which every story of the suite begins. */
export const T0 = Date.UTC(2026, 0, 1);

export const ideas: Scope = { workspace: 'default', kind: 'source', name: 'ideas' };

export const someOwner: Owner = { bootId: 'boot-1', pid: 4711, startTicks: 99, nonce: 'n-1' };

/** A worker's store that is owned, with the tasks that the suite uses configured. */
export async function ownedStore(fresh: FreshStore): Promise<Store> {
  const store = await fresh.open('worker');
  await store.takeOwnership(someOwner, T0);
  await store.configureTasks(
    ['default'],
    [
      { task: 'build', groupLimit: 2, maxAttempts: 3 },
      { task: 'slow', groupLimit: null, maxAttempts: 3 },
    ],
  );
  return store;
}

export interface RecordSpec extends Partial<Omit<AdmissionRecord, 'payload' | 'version'>> {
  readonly key: string;
  /** JSON text; its hash is the version unless `version` says otherwise. */
  readonly content?: string;
  readonly version?: AdmissionRecord['version'];
}

function record({ content, version, ...spec }: RecordSpec): AdmissionRecord {
  const text = content ?? JSON.stringify({ title: spec.key });
  return {
    occurrenceIn: null,
    version: version ?? { hash: ledgerHash(text), order: null },
    onChange: 'ignore',
    payload: takeSnapshot(Buffer.from(text)),
    task: 'build',
    priority: 0,
    runAtMs: T0,
    expiresAtMs: null,
    timeoutMs: null,
    group: null,
    maxAttempts: 3,
    ...spec,
  };
}

export function batch(
  records: readonly RecordSpec[],
  rest: Partial<Omit<AdmissionBatch, 'records'>> = {},
): AdmissionBatch {
  return {
    scope: ideas,
    cycle: 'cycle-1',
    records: records.map(record),
    rejects: [],
    rereadPaths: [],
    cursors: [],
    nowMs: T0,
    ...rest,
  };
}

/** Admits records and returns the answers; a conflict fails the test. */
export async function admit(
  store: Store,
  records: readonly RecordSpec[],
  rest: Partial<Omit<AdmissionBatch, 'records'>> = {},
): Promise<readonly AdmissionAnswer[]> {
  const report = await store.admit(batch(records, rest));
  if (!report.committed) throw new Error(`conflict at ${report.conflictPath}`);
  return report.answers;
}

export function reject(spec: Partial<RejectedRecord> & { readonly path: string }): RejectedRecord {
  return {
    line: 1,
    offset: 0,
    lengthBytes: 10,
    key: null,
    reason: 'schema',
    detail: 'title is missing',
    remedy: 'add title',
    digest: ledgerHash(`${spec.path} ${spec.detail ?? ''}`),
    ...spec,
  };
}

/** A turn with room for everything, unless the test says less. */
export function turn(store: Store, rest: Partial<Turn> = {}): Promise<TurnResult> {
  return store.turn({
    ends: [],
    freeSlots: 10,
    eligible: [
      { task: 'build', room: 10 },
      { task: 'slow', room: 10 },
    ],
    nowMs: T0,
    ...rest,
  });
}

/** Claims exactly one job; fails when there is none. */
export async function claimOne(store: Store, rest: Partial<Turn> = {}): Promise<Claim> {
  const { claims } = await turn(store, { freeSlots: 1, ...rest });
  const [claim] = claims;
  if (claim === undefined) throw new Error('there was nothing to claim');
  return claim;
}

const OUTCOMES = {
  completed: { kind: 'done', result: null },
  failed: { kind: 'failed', reason: 'exit 1' },
  cancelled: { kind: 'cancelled', reason: 'cancelled while it ran' },
  pending: { kind: 'failed', reason: 'exit 1' },
} as const;

/** How a claim ended: `completed` unless `next` says otherwise; the outcome follows from it. */
export function end(
  claim: Pick<Claim, 'id' | 'epoch' | 'attempt'>,
  next: Next = { to: 'completed' },
  report: Partial<End['report']> = {},
): End {
  return {
    claim,
    next,
    report: {
      outcome: OUTCOMES[next.to],
      startedAtMs: T0,
      endedAtMs: T0 + 5,
      exitCode: next.to === 'completed' ? 0 : 1,
      signal: null,
      stdout: null,
      stderr: null,
      ...report,
    },
  };
}

export function retryAt(runAtMs: number, rest: Partial<Extract<Next, { to: 'pending' }>> = {}): Next {
  return { to: 'pending', runAtMs, charged: true, crashed: false, reason: 'exit 1', ...rest };
}

/** Runs one job to its end. */
export async function runOne(store: Store, next?: Next, nowMs = T0): Promise<Claim> {
  const claim = await claimOne(store, { nowMs });
  await turn(store, { ends: [end(claim, next, { endedAtMs: nowMs + 5 })], freeSlots: 0, nowMs });
  return claim;
}
