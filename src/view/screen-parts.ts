import type { BeatSlot, BeatSource } from '../heartbeat/beat.js';
import { stateOfPlace } from '../job/job.js';
import { countText, durationText, plural, sizeText } from '../platform/duration-text.js';
import type { JobSummary } from '../store/read-contract.js';
import type { Paint } from './colour.js';
import { escapeText } from './escape.js';
import { reasonText } from './job-json.js';
import { readingText } from './reading-text.js';
import type { Remedy } from './remedy.js';
import type { SystemSnapshot } from './snapshot.js';
import { type Cell, formatTable } from './table.js';
import { truncateText } from './text-width.js';
import { waitingText } from './waiting-for.js';

/** How a screen is laid out. */
export interface Layout {
  readonly columns: number;
  readonly paint: Paint;
  /** Commands that are advised, in the form that works here. */
  readonly remedy: Remedy;
}

/** One line: whether it works, and if not, what to do. */
export function verdictLine(snapshot: SystemSnapshot, { paint, remedy }: Layout): string {
  const { worker, monitor } = snapshot;
  switch (snapshot.verdict) {
    case 'running':
      return worker.state === 'running'
        ? `✅ ${paint('running', 'green')}`
        : `✅ ${paint('running', 'green')}, ${worker.state}`;
    case 'stuck':
      return remedy(
        `❌ ${paint('stuck', 'red')}: no beat for ${durationText(worker.beatAgeMs ?? worker.upMs ?? 0)}. See: dogged health --diagnose`,
      );
    case 'dead':
      return `❌ ${paint('dead', 'red')}: the worker with PID ${worker.pid} is gone. ${
        monitor.pid === null ? remedy('Start it with: dogged start') : 'The monitor starts it again.'
      }`;
    case 'stopped':
      return remedy(`⏹  ${paint('not running', 'yellow')}. Start it with: dogged start`);
    case 'unknown':
      return remedy(
        `❔ ${paint('unknown', 'yellow')}: whether a worker runs cannot be told. See: dogged health --diagnose`,
      );
  }
}

export function workerText({ worker }: SystemSnapshot): string {
  if (worker.pid === null) return 'none';
  if (worker.state === 'dead') return `PID ${worker.pid} is gone`;
  const parts = [`PID ${worker.pid}`];
  if (worker.upMs !== null) parts.push(`up ${durationText(worker.upMs)}`);
  if (worker.rssBytes !== null) parts.push(sizeText(worker.rssBytes));
  if (worker.cpu !== null) parts.push(`${worker.cpu.toFixed(1)} % CPU since its start`);
  parts.push(worker.beatAgeMs === null ? 'no beat yet' : `last beat ${durationText(worker.beatAgeMs)} ago`);
  return parts.join(', ');
}

/** Waiting and running jobs always; ended ones where there are any. */
export function queueText({ queue, endsKept, redis, nextScheduledAtMs, takenAtMs }: SystemSnapshot): string {
  const unsent = queue.outbox > 0 ? ` (${countText(queue.outbox)} not in Redis yet)` : '';
  const parts = [`${countText(queue.pending)} pending${unsent}`];
  if (queue.scheduled > 0) {
    const next =
      nextScheduledAtMs === null ? '' : ` (next in ${durationText(nextScheduledAtMs - takenAtMs)})`;
    parts.push(`${countText(queue.scheduled)} scheduled${next}`);
  }
  parts.push(`${countText(queue.running)} running`);
  if (endsKept.length > 0) parts.push(keptText(endsKept.length, redis));
  parts.push(`${countText(queue.completed)} completed`);
  for (const state of ['failed', 'cancelled', 'expired'] as const) {
    if (queue[state] > 0) parts.push(`${countText(queue[state])} ${state}`);
  }
  return parts.join(' · ');
}

function keptText(ends: number, redis: SystemSnapshot['redis']): string {
  const until = redis?.problem ? 'Redis is back' : `${ends === 1 ? 'it' : 'they'} can be written down`;
  return `${plural(ends, 'end is', 'ends are')} kept until ${until}`;
}

/** Counts per task, ends that are rare only where there are any; a task without any job yet is not known here. */
export function taskTable({ tasks, pausedAll }: SystemSnapshot, { columns, paint }: Layout): string[] {
  const workspaces = new Set(tasks.map((task) => task.workspace));
  const rare = (['cancelled', 'expired'] as const).filter((place) =>
    tasks.some(({ places }) => places[place] > 0),
  );
  const rows = tasks.map(({ workspace, task, paused, places }) => [
    workspaces.size > 1 ? `${workspace}/${task}` : task,
    number(places.ready + places.parked),
    number(places.scheduled),
    number(places.running),
    number(places.completed),
    places.failed > 0 ? { text: countText(places.failed), style: 'red' as const } : number(0),
    ...rare.map((place) => number(places[place])),
    paused || pausedAll ? { text: 'paused', style: 'yellow' as const } : '',
  ]);
  const heads = ['pending', 'scheduled', 'running', 'completed', 'failed', ...rare];
  return formatTable(
    [
      { title: 'Task', shrinkTo: 8 },
      ...heads.map((title) => ({ title, align: 'right' as const })),
      { title: '' },
    ],
    rows,
    columns,
    paint,
  );
}

function number(count: number): Cell {
  return count === 0 ? { text: '0', style: 'dim' } : countText(count);
}

export function sourceTable({ sources, worker }: SystemSnapshot, { columns, paint }: Layout): string[] {
  return formatTable(
    [
      { title: 'Source', shrinkTo: 8 },
      { title: 'records', align: 'right' },
      { title: 'rejected', align: 'right' },
      { title: 'polled' },
      { title: '', shrinkTo: 10 },
    ],
    sources.map((source) => [
      source.name,
      number(source.records),
      source.rejected > 0 ? { text: countText(source.rejected), style: 'yellow' } : number(0),
      polledText(source, worker.beatAgeMs),
      sourceRemark(source),
    ]),
    columns,
    paint,
  );
}

/** What the last beat knows: since then it may have been polled many times. Of a worker that is gone, or has not beaten yet, nothing is known. */
function polledText({ lastPollMs }: BeatSource, beatAgeMs: number | null): string {
  if (lastPollMs === null || beatAgeMs === null) return '-';
  return `${durationText(lastPollMs)} before the beat`;
}

function sourceRemark({ problem, reading, waitingFiles = 0 }: BeatSource): Cell {
  const parts = [
    problem === null ? '' : `⚠️ ${problem}`,
    reading === undefined ? '' : readingText(reading),
    waitingFiles === 0 ? '' : plural(waitingFiles, 'file is being written', 'files are being written'),
  ];
  // What is the matter can be long, and the cell is cut at its end.
  const text = parts
    .filter((part) => part !== '')
    .reverse()
    .join(' · ');
  return problem === null ? text : { text, style: 'yellow' };
}

/** Sources whose backlog is being read: until that is done, not everything in their files can be in the queue. */
export function readingLines({ sources, verdict }: SystemSnapshot): string[] {
  if (verdict !== 'running') return [];
  return sources.flatMap(({ name, reading }) =>
    reading === undefined ? [] : [`📖 ${escapeText(name)}: ${readingText(reading)}`],
  );
}

/** One line for each busy slot, the idle ones together. */
export function slotLines(snapshot: SystemSnapshot, layout: Layout): string[] {
  const lines = busySlotLines(snapshot, layout);
  const idle = snapshot.slots.length - lines.length;
  const text = idle === 1 ? 'one slot idle' : `${idle} slots idle`;
  return idle === 0 ? lines : [...lines, `⏳  ${layout.paint(text, 'dim')}`];
}

/** One line for each busy slot. */
export function busySlotLines({ slots }: SystemSnapshot, { columns, paint }: Layout): string[] {
  const busy = slots.filter((slot) => slot.state === 'working');
  return formatTable(
    [
      { title: '' },
      { title: '', shrinkTo: 8 },
      { title: '', shrinkTo: 10 },
      { title: '', align: 'right' },
      { title: '' },
    ],
    busy.map((slot) => ['🔨', slot.task ?? '', slot.key ?? '', elapsedText(slot), progressText(slot)]),
    columns,
    paint,
  );
}

function elapsedText({ sinceMs, timeoutMs }: BeatSlot): string {
  const limit = timeoutMs === undefined || timeoutMs === 0 ? '' : ` / ${durationText(timeoutMs)}`;
  return `${durationText(sinceMs ?? 0)}${limit}`;
}

function progressText({ progress }: BeatSlot): string {
  return progress === undefined ? '' : `${Math.round(progress * 100)} %`;
}

/** What waits, why, and the command that ends the wait where there is one. */
export function waitingLines(snapshot: SystemSnapshot, { remedy }: Pick<Layout, 'remedy'>): string[] {
  const lines = snapshot.waiting.map((line) => {
    const jobs = `${plural(line.jobs, 'job')} of ${escapeText(line.task)}`;
    if (snapshot.verdict !== 'running' && line.reason === 'slots') return `${jobs}: ${waitingText('worker')}`;
    if (line.reason === 'paused') return `${jobs}: ${pauseText(line.task, snapshot, remedy)}`;
    return `${jobs}: ${escapeText(waitingText(line.reason))}`;
  });
  return [...lines, ...snapshot.slots.flatMap(orphanLine)];
}

function orphanLine({ job = '', task = '', orphanPids }: BeatSlot): string[] {
  if (orphanPids === undefined) return [];
  const look = `ps -o pid,stat,wchan,cmd -p ${orphanPids.join(',')}`;
  return [`Job ${job} of ${escapeText(task)}: ${waitingText('orphan')}. Look at it with: ${look}`];
}

/** A resume by name does nothing while everything is paused, and neither brings back a task that was removed. */
function pauseText(task: string, { pausedAll, tasks }: SystemSnapshot, remedy: Remedy): string {
  if (pausedAll) return `everything is paused. Let it go on with: ${remedy('dogged resume')}`;
  const isRemoved = tasks.length > 0 && !tasks.some((line) => line.task === task && line.paused);
  if (isRemoved) return 'the worker runs no such task: its config has none of this name';
  return `${waitingText('paused')}. Let it go on with: ${remedy('dogged resume')} ${escapeText(task)}`;
}

/** Dead letters, each with the command that shows all of it. */
export function failureLines(
  failed: readonly JobSummary[],
  nowMs: number,
  { columns, paint, remedy }: Layout,
): string[] {
  return failed.map((job) => {
    const ago = job.endedAtMs === null ? '' : ` ${durationText(nowMs - job.endedAtMs)} ago`;
    const command = `${remedy('dogged job')} ${job.id}`;
    const text = escapeText(`${job.task} "${job.key}"${ago}: ${reasonText(job) ?? 'no reason was kept'}`);
    return `${truncateText(text, Math.max(20, columns - command.length - 2))}  ${paint(command, 'cyan')}`;
  });
}

/** The first of the line: what a free slot takes next. */
export function nextLines(next: readonly JobSummary[], nowMs: number, { columns, paint }: Layout): string[] {
  return formatTable(
    [{ title: '', align: 'right' }, { title: '', shrinkTo: 8 }, { title: '', shrinkTo: 10 }, { title: '' }],
    next.map((job) => [
      `#${job.id}`,
      job.task,
      job.key,
      stateOfPlace(job.place) === 'pending' && job.runAtMs > nowMs
        ? `in ${durationText(job.runAtMs - nowMs)}`
        : `due for ${durationText(nowMs - job.runAtMs)}`,
    ]),
    columns,
    paint,
  );
}

/** What a reader must know before believing the figures. */
export function problemLines(
  { problems, countedFrom, verdict }: SystemSnapshot,
  { paint }: Layout,
): string[] {
  const lines = problems.map((problem) => paint(`⚠️ ${escapeText(problem)}`, 'yellow'));
  if (problems.length > 0 && countedFrom === 'heartbeat')
    lines.push('   The figures below are those of the last beat.');
  if (problems.length === 0 && countedFrom === 'nothing' && verdict === 'stopped')
    lines.push('Nothing has run here yet.');
  return lines;
}
