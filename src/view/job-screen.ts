import { stateOfPlace } from '../job/job.js';
import { isIntact } from '../job/snapshot.js';
import { isoTime } from '../platform/clock.js';
import { durationText, sizeText } from '../platform/duration-text.js';
import type { HistoryEntry, JobDetails } from '../store/read-contract.js';
import { escapeLines, escapeText } from './escape.js';
import { shownReason } from './job-json.js';
import { ELSEWHERE_TEXT, stateCell, tookText } from './jobs-table.js';
import type { Layout } from './screen-parts.js';
import { truncateText } from './text-width.js';
import { type WaitingFor, waitingText } from './waiting-for.js';

/** `dogged job ID`: everything that is known about a job, with the output of every attempt. */
export function jobScreen(
  job: JobDetails,
  waits: WaitingFor | null,
  nowMs: number,
  layout: Layout,
): string[] {
  const { columns, paint, remedy } = layout;
  const state = stateOfPlace(job.place);
  const shown = stateCell(job, waits);
  const reason = shownReason(job);
  const lines = [
    `Job ${job.id}  ${paint(shown.text, shown.style)}  ${escapeText(job.task)}  ${escapeText(job.key)}`,
    '',
  ];
  const fact = (label: string, text: string | null) => {
    if (text === null || text === '') return;
    lines.push(
      `${paint(label.padEnd(11), 'dim')}${truncateText(escapeText(text), Math.max(20, columns - 11))}`,
    );
  };
  fact('reason', reason);
  if (state === 'failed' && reason === 'poison') {
    fact('means', 'the worker died under it, and at last it ran alone');
    fact('to do', `run it by hand, mend it, then: ${remedy('dogged retry')} ${job.id}`);
  }
  if (waits !== null) fact('waits for', waitingText(waits));
  if (job.isElsewhere) fact('runs', ELSEWHERE_TEXT);
  fact('from', job.source === null ? 'added by hand' : `source ${job.source}`);
  fact('workspace', job.workspace);
  fact('group', job.group);
  fact('priority', job.priority === 0 ? null : String(job.priority));
  fact('created', whenText(job.createdAtMs, nowMs));
  fact(state === 'pending' && job.runAtMs > nowMs ? 'due' : 'was due', whenText(job.runAtMs, nowMs));
  fact('expires', whenText(job.expiresAtMs, nowMs));
  fact('started', whenText(job.startedAtMs, nowMs));
  fact('ended', whenText(job.endedAtMs, nowMs));
  fact('took', lastTookText(job) || (waits === 'end' ? null : tookText(job, nowMs)));
  fact('late by', job.lateByMs === null ? null : durationText(job.lateByMs));
  fact('tries', triesText(job));
  fact('exit code', job.exitCode === null ? null : String(job.exitCode));
  fact('result', job.result);
  fact('version', job.version);
  fact('cycle', job.cycle);
  fact('payload', `${sizeText(job.payload.bytes.length)}, SHA-256 ${job.payload.hash.toString('hex')}`);
  lines.push(
    isIntact(job.payload)
      ? `  ${escapeText(job.payload.bytes.toString())}`
      : paint(
          '  The stored bytes no longer match their hash: they are not shown, and will not be run.',
          'red',
        ),
  );
  for (const entry of job.history) lines.push(...historyLines(entry, waits, layout));
  return lines;
}

/** How long the last attempt took, whatever the job waited for since; empty while it runs. */
function lastTookText({ history }: JobDetails): string {
  const last = history.findLast((entry) => entry.kind === 'attempt');
  return last === undefined || last.endedAtMs === null ? '' : durationText(last.endedAtMs - last.atMs);
}

/** A try that found its program away, or was given back, is made and not counted as failed. */
function triesText({ attempts, charged, crashes, maxAttempts }: JobDetails): string {
  const parts = [`${attempts} made`, `failed tries ${charged} of ${maxAttempts}`];
  if (crashes > 0) parts.push(`${crashes} ended by a crash of the worker`);
  return parts.join(', ');
}

function historyLines(entry: HistoryEntry, waits: WaitingFor | null, { paint }: Layout): string[] {
  const at = paint(isoTime(entry.atMs) ?? '', 'dim');
  if (entry.kind === 'event')
    return ['', `${at}  ${escapeText(entry.event)}  ${escapeText(entry.detail)}`.trimEnd()];
  const parts = [
    `attempt ${entry.attempt}: ${entry.outcome ?? (waits === 'end' ? 'over, its end is kept' : 'running')}`,
  ];
  if (entry.endedAtMs !== null) parts.push(`after ${durationText(entry.endedAtMs - entry.atMs)}`);
  if (entry.exitCode !== null) parts.push(`exit code ${entry.exitCode}`);
  if (entry.signal !== null) parts.push(`signal ${escapeText(entry.signal)}`);
  const lines = ['', `${at}  ${parts.join(', ')}`];
  if (entry.reason !== null && entry.outcome !== 'done') lines.push(`  ${escapeText(entry.reason)}`);
  for (const [name, text] of [
    ['stdout', entry.stdout],
    ['stderr', entry.stderr],
  ] as const) {
    if (text === null || text === '') continue;
    lines.push(`  ${paint(name, 'dim')}`);
    for (const line of escapeLines(text).trimEnd().split('\n')) lines.push(`  │ ${line}`);
  }
  return lines;
}

function whenText(atMs: number | null, nowMs: number): string | null {
  if (atMs === null) return null;
  const distance = atMs > nowMs ? `in ${durationText(atMs - nowMs)}` : `${durationText(nowMs - atMs)} ago`;
  return `${isoTime(atMs)} (${distance})`;
}
