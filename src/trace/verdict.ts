import { type CycleTrace, HAND_OFFS, type HandOff, type LostRecord, type Mark } from './cycle-trace.js';
import { digestText } from './digest.js';

/** What became of the jobs of a cycle, as they stand now. */
export interface CycleQueue {
  /** Those that were claimed at least once, with the bytes that their claims returned. */
  readonly read: Mark;
  /** Of those: what was claimed was not what was enqueued. */
  readonly damaged: number;
  /** Not claimed yet. */
  readonly waiting: number;
  /** Not at their end yet. */
  readonly open: number;
  /** Why others will not be claimed. */
  readonly reasons: Readonly<Record<string, number>>;
  readonly lost: readonly LostRecord[];
}

type Checkpoint = HandOff | 'QUEUE_READ' | 'RUN' | 'RECORDED';

export interface CheckpointVerdict {
  readonly name: Checkpoint;
  /** null: it was not reached. */
  readonly atMs: number | null;
  readonly count: number;
  readonly hash: string;
  /** null: not reached, or not all of it yet. */
  readonly ok: boolean | null;
  /** What is to be said of it beside that; '' for nothing. */
  readonly remark: string;
  /** Why fewer came here than to the checkpoint before. */
  readonly reasons: Readonly<Record<string, number>>;
}

export type TraceVerdict = 'ok' | 'waiting' | 'broken';

export function verdictOf(checkpoints: readonly CheckpointVerdict[]): TraceVerdict {
  if (checkpoints.some(({ ok }) => ok === false)) return 'broken';
  return checkpoints.some(({ ok }) => ok === null) ? 'waiting' : 'ok';
}

/** The way of a cycle: at each hand-off whether all came through, or are accounted for. */
export function judgeCycle(trace: CycleTrace, queue: CycleQueue): CheckpointVerdict[] {
  const stored = HAND_OFFS.map((name, n) => judgeStored(trace, name, HAND_OFFS[n - 1]));
  return [...stored, judgeRead(trace, queue)];
}

function judgeStored(
  { marks, reasons, waiting, unchanged = 0, broken }: CycleTrace,
  name: HandOff,
  former: HandOff | undefined,
) {
  const mark = marks[name];
  const lost = reasons[name] ?? {};
  if (broken?.at === name && mark !== undefined) return told(name, mark, false, broken.why, lost);
  if (mark === undefined) return told(name, null, null, 'not reached: nothing of it was stored', lost);
  const before = former === undefined ? mark : marks[former];
  const held = name === 'AFTER_DIFF_OR_SUPPRESS' ? waiting : 0;
  // Past a broken hand-off stands what earlier batches of the same poll have brought.
  if (broken !== null && HAND_OFFS.indexOf(name) > HAND_OFFS.indexOf(broken.at)) {
    return told(name, mark, null, 'what was stored before the hand-off broke', lost);
  }
  if (before === undefined || mark.count + sum(lost) + held !== before.count) {
    const missing = (before?.count ?? 0) - mark.count - sum(lost) - held;
    return told(name, mark, false, `${missing} unaccounted for`, lost);
  }
  const mustBeEqual = name === 'WRITE_OUT_PAYLOAD' || name === 'ENQUEUED';
  if (mustBeEqual && mark.crc !== before.crc)
    return told(name, mark, false, 'another hash with the same count', lost);
  const remark = `${held} held for the end of a poll that was broken off; they are read again`;
  if (held > 0) return told(name, mark, null, remark, lost);
  const hasMore = name === 'FEED_IN' && unchanged > 0;
  return told(name, mark, true, hasMore ? `${unchanged} more in the plan as before` : '', lost);
}

function judgeRead({ marks }: CycleTrace, queue: CycleQueue): CheckpointVerdict {
  const { read, damaged, waiting, reasons } = queue;
  const enqueued = marks.ENQUEUED;
  const mark = read.count === 0 ? { ...read, atMs: null } : read;
  if (enqueued === undefined || enqueued.count === 0)
    return told('QUEUE_READ', mark, true, 'nothing to read', {});
  const part = `${read.count} of ${enqueued.count} read`;
  if (damaged > 0) {
    return told(
      'QUEUE_READ',
      mark,
      false,
      `${part}, ${damaged} of them damaged: set aside, nothing was run`,
      reasons,
    );
  }
  const unknown = enqueued.count - read.count - waiting - sum(reasons);
  if (waiting > 0) return told('QUEUE_READ', mark, null, part, reasons);
  if (unknown > 0)
    return told('QUEUE_READ', mark, true, `${part}, ${unknown} not remembered one by one`, reasons);
  if (read.count < enqueued.count) return told('QUEUE_READ', mark, true, part, reasons);
  const isEqual = read.crc === enqueued.crc;
  return told('QUEUE_READ', mark, isEqual, `${part}, hash ${isEqual ? 'equal' : 'not equal'}`, reasons);
}

function told(
  name: Checkpoint,
  mark: { readonly atMs: number | null; readonly count: number; readonly crc: number } | null,
  ok: boolean | null,
  remark: string,
  reasons: Readonly<Record<string, number>>,
): CheckpointVerdict {
  const { atMs, count, crc } = mark ?? { atMs: null, count: 0, crc: 0 };
  return { name, atMs, count, hash: digestText({ count, crc }), ok, remark, reasons };
}

function sum(reasons: Readonly<Record<string, number>>): number {
  return Object.values(reasons).reduce((all, count) => all + count, 0);
}
