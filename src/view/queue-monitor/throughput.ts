import type { BeatQueue } from '../../heartbeat/beat.js';
import { durationText } from '../../platform/duration-text.js';

/** Jobs that ended, in equal spans of time, the present one last. Known only for as long as the screen is open. */
export interface Throughput {
  readonly spans: readonly number[];
  /** Which span of the monotonic clock the last one is. */
  readonly span: number;
  /** Ended jobs at the last look; null before the first. */
  readonly ended: number | null;
}

const SPAN_MS = 2_000;
const SPANS = 30;
const BARS = '▁▂▃▄▅▆▇█';

export const NO_THROUGHPUT: Throughput = { spans: [], span: 0, ended: null };

/** With one more look. A retry or a prune takes ended jobs away: that is no negative work. */
export function withLook(history: Throughput, nowMs: number, queue: BeatQueue): Throughput {
  const ended = queue.completed + queue.failed + queue.cancelled + queue.expired;
  const span = Math.floor(nowMs / SPAN_MS);
  if (history.ended === null) return { spans: [0], span, ended };
  const passed = Math.min(SPANS, Math.max(0, span - history.span));
  const spans = [...history.spans, ...Array<number>(passed).fill(0)].slice(-SPANS);
  const last = spans.length - 1;
  spans[last] = (spans[last] ?? 0) + Math.max(0, ended - history.ended);
  return { spans, span, ended };
}

export function throughputText({ spans }: Throughput): string {
  const ended = spans.reduce((sum, jobs) => sum + jobs, 0);
  const most = Math.max(1, ...spans);
  const bars = spans.map((jobs) => BARS[Math.ceil((jobs / most) * (BARS.length - 1))]).join('');
  return `${ended} ended in ${durationText(spans.length * SPAN_MS)}  ${bars}`;
}
