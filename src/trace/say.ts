import { isoTime } from '../platform/clock.js';
import type { Log } from '../platform/log.js';
import { type CycleTrace, HAND_OFFS, type Mark } from './cycle-trace.js';
import { digestText } from './digest.js';
import type { CycleRead } from './read-book.js';

/**
 * One line for each checkpoint that a cycle came to. `isNews` false: known records seen once more, which no one waits for. Of a
 * plan that only lacks something no record was handed on: that is told elsewhere.
 */
export function sayCycle(
  log: Log,
  {
    cycle,
    source,
    isNews,
    unchanged,
  }: {
    readonly cycle: string;
    readonly source: string;
    readonly isNews: boolean;
    /** Items of the file that stand there as they did, and were not handed on again. */
    readonly unchanged: number;
  },
  { marks, broken }: CycleTrace,
): void {
  const level = isNews && marks.FEED_IN?.count !== 0 ? 'info' : 'debug';
  if (level === 'debug' && !log.isLevelEnabled(level)) return;
  const rawItems = (marks.FEED_IN?.count ?? 0) + unchanged;
  for (const at of HAND_OFFS) {
    const mark = marks[at];
    if (mark === undefined) continue;
    const isBroken = broken?.at === at;
    const fields = { ...fieldsOf(at, cycle, source, mark), raw_items_count: rawItems };
    const text = `${at} ${mark.count} ${digestText(mark)}`;
    if (isBroken)
      log.error({ ...fields, why: broken.why }, `✗ ${text}: ${broken.why}; nothing of it was stored`);
    else log[level](fields, text);
  }
}

/** What became of each record, one line for each: at the level debug alone. */
export function sayRecords(
  log: Log,
  { cycle, source }: { readonly cycle: string; readonly source: string },
  records: readonly { readonly key: string; readonly runAtMs: number; readonly expiresAtMs: number | null }[],
  answers: readonly { readonly result: string; readonly id: string | null }[],
  firstIndex: number,
): void {
  if (!log.isLevelEnabled('debug')) return;
  for (const [n, { key, runAtMs, expiresAtMs }] of records.entries()) {
    const { result, id } = answers[n] ?? {};
    const times = { start_utc: isoTime(runAtMs), end_utc: isoTime(expiresAtMs) };
    const fields = { cycle_id: cycle, source, index: firstIndex + n, key, ...times, result, job: id };
    log.debug(fields, `record ${firstIndex + n}: ${result}`);
  }
}

/** That all jobs of a cycle were claimed: once for each. */
export function sayRead(log: Log, read: CycleRead | null, nowMs: number): void {
  if (read === null) return;
  const { cycle, source, count, isEqual } = read;
  const fields = fieldsOf('QUEUE_READ', cycle, source, { ...read, atMs: nowMs });
  const text = `QUEUE_READ ${count} of ${count} read, hash ${digestText(read)}`;
  if (isEqual) log.info(fields, `${text}: equal to what was enqueued`);
  else log.error(fields, `✗ ${text}: not what was enqueued`);
}

function fieldsOf(checkpoint: string, cycle: string, source: string | null, mark: Mark): object {
  const { atMs, count } = mark;
  return { checkpoint, cycle_id: cycle, source, now_utc: isoTime(atMs), count, hash: digestText(mark) };
}
