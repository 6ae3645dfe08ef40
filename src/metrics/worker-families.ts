import { counter, type Family, flag, gauge, histogram, type Labels, type Row } from './family.js';
import { DURATION_BOUNDS, LATENESS_BOUNDS } from './histogram.js';
import type { SourceFigures, TaskFigures, WorkerFigures } from './worker-figures.js';

/** What only the worker knows: its counters, which begin at nothing with each worker, and how it is just now. */
export function workerFamilies(figures: WorkerFigures): readonly Family[] {
  const { lag } = figures;
  return [
    gauge(
      'dogged_worker_start_time_seconds',
      'When the worker started, in seconds since the epoch.',
      figures.startedAtMs / 1000,
    ),
    gauge('dogged_worker_resident_memory_bytes', 'Resident memory of the worker.', figures.rssBytes),
    counter(
      'dogged_worker_cpu_seconds_total',
      'CPU time of the worker, user and system.',
      figures.cpuSeconds,
    ),
    gauge(
      'dogged_worker_event_loop_lag_p50_seconds',
      'By how much the event loop was late in the last five minutes: median.',
      lag.p50Ms / 1000,
    ),
    gauge('dogged_worker_event_loop_lag_p99_seconds', 'The same: 99th percentile.', lag.p99Ms / 1000),
    gauge('dogged_worker_event_loop_lag_max_seconds', 'The same: longest.', lag.maxMs / 1000),
    gauge('dogged_slots', 'Most jobs at once.', figures.slots),
    gauge('dogged_slots_in_use', 'Slots with a job in them.', figures.slots - figures.freeSlots),
    gauge(
      'dogged_ends_kept',
      'Jobs that have run, and whose end is kept until the store takes it: none of them counts as running.',
      figures.endsKept.length,
    ),
    flag(
      'dogged_backpressure',
      'Whether no further job is begun for want of room: memory, disk, or a disk that refuses writes (storage).',
      [
        [{ reason: 'memory' }, figures.pressure === 'memory'],
        [{ reason: 'disk' }, figures.pressure === 'disk'],
        [{ reason: 'storage' }, figures.storageRefuses],
      ],
    ),
    flag(
      'dogged_database_held',
      'Whether another process keeps the worker from its database.',
      figures.databaseHeld,
    ),
    ...(figures.redisAbsences === null
      ? []
      : [
          counter(
            'dogged_redis_absences_total',
            'How often Redis has ceased to take jobs.',
            figures.redisAbsences,
          ),
        ]),
    counter(
      'dogged_outages_total',
      'Outages that began: breakers that opened.',
      rowsOf(figures.outages, (dependency) => ({ dependency })),
    ),
    counter(
      'dogged_dual_write_total',
      'Jobs that were sent to the mirror while they move from one store to another, by what became of them.',
      Object.entries(figures.dualWrites).flatMap(([workspace, results]) =>
        rowsOf(results, (result) => ({ workspace, result })),
      ),
    ),
    ...taskFamilies(Object.entries(figures.tasks)),
    ...sourceFamilies(Object.entries(figures.sources)),
  ];
}

function taskFamilies(tasks: readonly (readonly [string, TaskFigures])[]): readonly Family[] {
  const each = (rows: (figures: TaskFigures, task: string) => readonly Row[]) =>
    tasks.flatMap(([task, figures]) => rows(figures, task));
  return [
    counter(
      'dogged_jobs_ended_total',
      'Jobs that ended with an attempt.',
      each(({ ended }, task) => rowsOf(ended, (outcome) => ({ task, outcome }))),
    ),
    counter(
      'dogged_attempts_total',
      'Attempts that are over.',
      each(({ attempts }, task) => rowsOf(attempts, (outcome) => ({ task, outcome }))),
    ),
    counter(
      'dogged_retries_total',
      'Attempts after which the job is to be tried again.',
      each(({ retries }, task) => [[{ task }, retries]]),
    ),
    histogram(
      'dogged_attempt_duration_seconds',
      'How long attempts ran.',
      DURATION_BOUNDS,
      tasks.map(([task, { durations }]) => [{ task }, durations]),
    ),
    histogram(
      'dogged_start_lateness_seconds',
      'How late jobs of schedule and every sources were started, after the time that was named.',
      LATENESS_BOUNDS,
      tasks.flatMap(([task, { lateness }]) => (lateness === null ? [] : [[{ task }, lateness] as const])),
    ),
  ];
}

function sourceFamilies(sources: readonly (readonly [string, SourceFigures])[]): readonly Family[] {
  const each = (rows: (figures: SourceFigures, source: string) => readonly Row[]) =>
    sources.flatMap(([source, figures]) => rows(figures, source));
  return [
    counter(
      'dogged_polls_total',
      'Polls that are over.',
      each(({ polls, failedPolls }, source) => [
        [{ source, result: 'ok' }, polls],
        [{ source, result: 'failed' }, failedPolls],
      ]),
    ),
    counter(
      'dogged_admissions_total',
      'Records that were read and not refused, by what became of them.',
      each(({ admitted }, source) => rowsOf(admitted, (result) => ({ source, result }))),
    ),
    counter(
      'dogged_records_refused_total',
      'Records that were refused when they were read.',
      each(({ refused }, source) => rowsOf(refused, (reason) => ({ source, reason }))),
    ),
    counter(
      'dogged_plan_jobs_gone_total',
      'Jobs that a plan no longer has (withdrawn, left-running) or whose time was missed.',
      each(({ gone }, source) => rowsOf(gone, (result) => ({ source, result }))),
    ),
    counter(
      'dogged_reconciled_records_total',
      'Records that a reconciliation queued because no poll had.',
      each(({ reconciled }, source) => [[{ source }, reconciled]]),
    ),
  ];
}

function rowsOf(counts: Readonly<Record<string, number>>, labels: (name: string) => Labels): readonly Row[] {
  return Object.entries(counts).map(([name, value]) => [labels(name), value]);
}
