import type { SourceConfig, TaskConfig } from '../config/config.js';
import { ledgerHash } from '../job/snapshot.js';
import { breadcrumb } from '../platform/breadcrumb.js';
import { routeRecord } from '../policy/route.js';
import type { AdmissionRecord, RejectedRecord } from '../store/intake-contract.js';
import { deepFrozen } from './frozen.js';
import { createGate } from './gate.js';
import { createHungCheck, type HungRecord } from './hung.js';
import { fieldPath, fieldValue } from './json-field.js';
import { createNormaliser, type RawRecord } from './normalise.js';
import type { Recurrence } from './plan/recurrence.js';
import type { PlanTimes } from './plan/times.js';
import { isRefusal, type Refusal } from './refusal.js';

/** Where a stretch of a file stands, for people. */
export interface Place {
  readonly path: string;
  readonly line: number | null;
  readonly offset: number;
  readonly lengthBytes: number;
}

/** A refused stretch with the copy of it that goes to the rejects folder. */
export interface Reject extends RejectedRecord {
  readonly copy: Buffer;
}

/** Where a record begins. */
export interface RecordPlace {
  readonly path: string;
  readonly offset: number;
  /** null in an array: lines are counted there only when somebody asks. */
  readonly line: number | null;
}

/** A record that may be admitted. One that repeats is not admitted itself, but each of its occurrences. */
interface AdmissibleRecord extends AdmissionRecord {
  readonly recurrence?: Recurrence;
}

/** What the bytes of one record come to: normalise → gate → times → route. */
export type Judge = (
  raw: RawRecord & RecordPlace,
  generation: number,
  nowMs: number,
) => AdmissibleRecord | Refusal;

/** Throws what the gate says of a `require` that is no JSON Schema. */
export async function createJudge(
  source: SourceConfig,
  tasks: readonly TaskConfig[],
  hung: readonly HungRecord[] = [],
): Promise<Judge> {
  const normalise = createNormaliser(source);
  const refuseHung = createHungCheck(hung);
  const gate = await createGate(source.require);
  const timesOf = await timesReader(source);
  // Nobody else sees the value: what is handed on are the bytes.
  const isLookedAt = source.require !== null || source.route.length > 0;
  const tasksByName = new Map(tasks.map((task) => [task.name, task]));

  const judge: Judge = (raw, generation, nowMs) => {
    const record = normalise(raw);
    if (isRefusal(record)) return record;
    if (isLookedAt) deepFrozen(record.value);
    const refusal = gate(record.value, record.key);
    if (refusal !== null) return refusal;
    const times = timesOf(record.value, record.key, nowMs);
    if (isRefusal(times)) return times;
    const route = routeRecord(record.value, source.route, source);
    const task = tasksByName.get(route.task);
    return {
      key: record.key,
      occurrenceIn: record.keyedByContent ? generation : null,
      version: record.version,
      onChange: source.kind === 'schedule' || source.kind === 'every' ? 'replan' : source.onChange,
      payload: record.payload,
      task: route.task,
      priority: route.priority,
      runAtMs: times.startMs,
      expiresAtMs: times.endMs,
      timeoutMs: route.timeoutMs,
      group: route.group ?? groupOf(record.value, task?.group ?? null),
      maxAttempts: task?.retry.attempts ?? 1,
      ...(times.recurrence !== null && { recurrence: times.recurrence }),
    };
  };

  return (raw, generation, nowMs) => {
    const refusal = refuseHung(raw.bytes);
    if (refusal !== null) return refusal;
    breadcrumb('intake.judge', raw.path, raw.offset, raw.bytes.length);
    const judged = judge(raw, generation, nowMs);
    // What blocks from here on is not this record.
    breadcrumb('intake.read', raw.path);
    return judged;
  };
}

type TimesReader = (value: unknown, key: string, nowMs: number) => PlanTimes | Refusal;

/** Records of files are due when they are read. */
async function timesReader(source: SourceConfig): Promise<TimesReader> {
  switch (source.kind) {
    case 'schedule': {
      const { timesOf } = await import('./plan/times.js');
      return (value, key) => timesOf(value, key, source);
    }
    case 'every': {
      const { timesOf } = await import('./plan/times.js');
      return (_value, key) => timesOf({ every: source.every }, key, source);
    }
    default:
      return (_value, _key, nowMs) => ({ startMs: nowMs, endMs: null, recurrence: null });
  }
}

/** The value of a task's group field as text; null where there is none, or it is no text, number or boolean. */
export function groupOf(payload: unknown, rule: TaskConfig['group']): string | null {
  if (rule === null) return null;
  const value = fieldValue(payload, fieldPath(rule.by));
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : null;
}

/** More of a refused stretch helps nobody to find it. */
const MOST_COPIED_BYTES = 64 * 1024;

/** `bytes` may be the beginning of the stretch only: what is kept of it is capped anyway. */
export function rejectOf(refusal: Refusal, place: Place, bytes: Buffer): Reject {
  return {
    ...place,
    key: refusal.key,
    reason: refusal.refused,
    detail: refusal.detail,
    remedy: refusal.remedy,
    digest: ledgerHash(Buffer.concat([Buffer.from(`${refusal.refused}\n${place.lengthBytes}\n`), bytes])),
    copy: Buffer.from(bytes.subarray(0, MOST_COPIED_BYTES)),
  };
}
