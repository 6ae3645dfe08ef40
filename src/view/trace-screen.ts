import { isoTime } from '../platform/clock.js';
import type { CheckpointVerdict, TraceVerdict } from '../trace/verdict.js';
import type { Style } from './colour.js';
import { escapeText } from './escape.js';
import type { Layout } from './screen-parts.js';
import { truncateText } from './text-width.js';
import type { Way } from './trace-way.js';

const STYLES: Readonly<Record<TraceVerdict, Style>> = { ok: 'green', waiting: 'yellow', broken: 'red' };
const NAME_COLUMNS = 'AFTER_DIFF_OR_SUPPRESS'.length;
const COUNT_COLUMNS = 7;

/** `dogged trace`: one line for each hand-off, below it why fewer came through. */
export function traceScreen(way: Way, layout: Layout): string[] {
  const lines = [
    traceHead(way, layout),
    '',
    ...way.checkpoints.flatMap((step) => checkpointLines(step, layout)),
  ];
  if (way.lost.length === 0) return lines;
  lines.push('', layout.paint('Not handed on:', 'dim'));
  for (const { key, at, reason } of way.lost) {
    const text = `  ${escapeText(key ?? '(no key)')}  ${escapeText(reason)}  at ${at}`;
    lines.push(truncateText(text, Math.max(20, layout.columns)));
  }
  // Of a job only what stands under its own key is named.
  const counted = way.checkpoints
    .flatMap(({ reasons }) => Object.values(reasons))
    .reduce((sum, n) => sum + n, 0);
  if (way.job === null && counted > way.lost.length)
    lines.push(`  and ${counted - way.lost.length} more, counted above`);
  return lines;
}

export function traceHead({ cycle, source, task, job, verdict }: Way, { paint }: Layout): string {
  const from = source === null ? `task ${escapeText(task ?? '')}, by hand` : `source ${escapeText(source)}`;
  const whose = job === null ? '' : `  job ${job.id} "${escapeText(job.key)}"`;
  return `Cycle ${escapeText(cycle)}  ${from}${whose}  ${paint(verdict, STYLES[verdict])}`;
}

export function checkpointLines(step: CheckpointVerdict, { paint, columns }: Layout): string[] {
  const { name, atMs, count, hash, ok, remark, reasons } = step;
  const mark = ok === null ? paint('…', 'yellow') : ok ? paint('✓', 'green') : paint('✗', 'red');
  const at = (isoTime(atMs) ?? '-').padEnd(24);
  const facts = `${name.padEnd(NAME_COLUMNS)} ${String(count).padStart(COUNT_COLUMNS)}  ${hash.padEnd(8)}  ${at}`;
  const lines = [`${mark} ${facts}  ${escapeText(remark)}`.trimEnd()];
  for (const [reason, lost] of Object.entries(reasons)) {
    lines.push(paint(truncateText(`    − ${lost} ${escapeText(reason)}`, Math.max(20, columns)), 'dim'));
  }
  return lines;
}

/** What `trace --json` promises. */
export function traceJson({ cycle, source, task, job, verdict, checkpoints, lost }: Way): object {
  return {
    cycle,
    source,
    task,
    job: job?.id ?? null,
    verdict,
    checkpoints: checkpoints.map(({ name, atMs, count, hash, ok, remark, reasons }) => ({
      name,
      at: isoTime(atMs),
      count,
      hash,
      ok,
      remark,
      reasons,
    })),
    lost: lost.map(({ key, at, reason }) => ({ key, at, reason })),
  };
}
