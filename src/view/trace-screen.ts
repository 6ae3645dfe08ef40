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
const KEY_COLUMNS = 60;

/** `dogged trace`: one line for each hand-off, below it why fewer came through. */
export function traceScreen(way: Way, layout: Layout): string[] {
  const lines = [
    traceHead(way, layout),
    '',
    ...way.checkpoints.flatMap((step) => checkpointLines(step, layout)),
  ];
  return [...lines, ...lostLines(way, layout), ...goneLines(way, layout), ...eventLines(way, layout)];
}

function lostLines({ lost, job, checkpoints }: Way, layout: Layout): string[] {
  if (lost.length === 0) return [];
  const lines = lost.map(({ key, at, reason }) => {
    return cut(`  ${shortKey(key ?? '(no key)')}  ${escapeText(reason)}  at ${at}`, layout);
  });
  // Of a job only what stands under its own key is named.
  const counted = sum(checkpoints.flatMap(({ reasons }) => Object.values(reasons)));
  if (job === null && counted > lost.length) lines.push(`  and ${counted - lost.length} more, counted above`);
  return ['', layout.paint('Not handed on:', 'dim'), ...lines];
}

/** What a plan no longer had. */
function goneLines({ gone: { counts, named } }: Way, layout: Layout): string[] {
  if (named.length === 0) return [];
  const lines = named.map(({ key, id, result }) =>
    cut(`  ${shortKey(key)}  ${result.replace('-', ' ')}  job ${id}`, layout),
  );
  const more = sum(Object.values(counts)) - named.length;
  if (more > 0) lines.push(`  and ${more} more`);
  return ['', layout.paint('No longer planned, or missed:', 'dim'), ...lines];
}

/** What happened to a job beside its attempts. */
function eventLines({ events }: Way, layout: Layout): string[] {
  if (events.length === 0) return [];
  const lines = events.map(({ atMs, event, detail }) =>
    cut(`  ${isoTime(atMs) ?? '-'}  ${escapeText(event)}  ${escapeText(detail)}`.trimEnd(), layout),
  );
  return ['', layout.paint('Of this job:', 'dim'), ...lines];
}

function cut(text: string, { columns }: Layout): string {
  return truncateText(text, Math.max(20, columns));
}

function sum(counts: readonly number[]): number {
  return counts.reduce((all, count) => all + count, 0);
}

/** A key as it stands between other words. */
export function shortKey(key: string): string {
  return truncateText(escapeText(key), KEY_COLUMNS);
}

export function traceHead({ cycle, source, task, job, verdict }: Way, { paint }: Layout): string {
  const from = source === null ? `task ${escapeText(task ?? '')}, by hand` : `source ${escapeText(source)}`;
  const whose = job === null ? '' : `  job ${job.id} "${shortKey(job.key)}"`;
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
export function traceJson(way: Way): object {
  const { cycle, source, task, job, verdict, checkpoints, lost, gone, events } = way;
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
    gone: { counts: gone.counts, named: gone.named.map(({ key, id, result }) => ({ key, job: id, result })) },
    events: events.map(({ atMs, event, detail }) => ({ at: isoTime(atMs), event, detail })),
  };
}
