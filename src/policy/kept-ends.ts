import type { BeatEnd } from '../heartbeat/beat.js';
import type { PlaceTotals } from '../job/job.js';

/** What of a store's counts tells of jobs that run. */
interface Counted {
  readonly total: PlaceTotals;
  readonly tasks: readonly {
    readonly workspace: string;
    readonly task: string;
    readonly places: PlaceTotals;
  }[];
  /** `guests`: jobs of other machines that run here. They are not among the others. */
  readonly outbox?: { readonly guests: readonly { readonly id: string }[] };
}

/**
 * The counts as they are, not as they could be written: in the database a job runs until its end is written down, and one whose
 * end the worker keeps runs no more.
 */
export function withoutKeptEnds<T extends Counted>(counts: T, ends: readonly BeatEnd[]): T {
  if (ends.length === 0) return counts;
  const { total, tasks, outbox } = counts;
  const guests = new Set(outbox?.guests.map(({ id }) => id));
  const own = ends.filter(({ job }) => !guests.has(job));
  const keptIds = new Set(ends.map(({ job }) => job));
  return {
    ...counts,
    total: less(total, own.length),
    tasks: tasks.map((line) => {
      const kept = own.filter((end) => end.task === line.task && end.workspace === line.workspace);
      return { ...line, places: less(line.places, kept.length) };
    }),
    ...(outbox === undefined
      ? {}
      : { outbox: { ...outbox, guests: outbox.guests.filter(({ id }) => !keptIds.has(id)) } }),
  };
}

/** Counts and ends may be of two moments. */
function less(places: PlaceTotals, ended: number): PlaceTotals {
  return { ...places, running: Math.max(0, places.running - ended) };
}
