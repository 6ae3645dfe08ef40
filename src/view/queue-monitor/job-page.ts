import type { JobId } from '../../job/job.js';
import type { JobSummary, ReadStore } from '../../store/read-contract.js';
import { type ListFilter, parseFilter } from './list-filter.js';

/** Which part of the list of jobs is wanted. Jobs that come or go meanwhile do not move what is looked at. */
export interface PageRequest {
  /** As it was typed. */
  readonly filter: string;
  /** The job in the first row; null follows the newest one. */
  readonly top: JobId | null;
  /** Rows to go on from there, towards the older (or, below 0, the newer) jobs, or to the very end. */
  readonly shift: number | 'oldest';
  readonly rows: number;
}

export interface JobPage {
  readonly jobs: readonly JobSummary[];
  readonly hasNewer: boolean;
  readonly hasOlder: boolean;
}

export const EMPTY_PAGE: JobPage = { jobs: [], hasNewer: false, hasOlder: false };

/** Reads no more jobs than are shown, and the few that the way there leads over. Full as long as there are enough jobs. */
export async function readJobPage(store: ReadStore, request: PageRequest): Promise<JobPage> {
  const { rows, shift } = request;
  const filter = parseFilter(
    request.filter,
    (await store.counts()).tasks.map(({ task }) => task),
  );
  const top =
    shift === 'oldest' ? await oldestTop(store, filter, rows) : await shiftedTop(store, filter, request);
  const below = await store.list({ ...filter, ...from(top), limit: rows + 1 });
  const first = below[0]?.id;
  if (top === null) return { jobs: below.slice(0, rows), hasNewer: false, hasOlder: below.length > rows };
  const missing = Math.max(0, rows - below.length);
  const above = (await store.list({ ...filter, from: top, towards: 'newer', limit: missing + 2 })).filter(
    ({ id }) => id !== first,
  );
  const filling = missing === 0 ? [] : above.slice(-missing);
  return {
    jobs: [...filling, ...below.slice(0, rows)],
    hasNewer: above.length > filling.length,
    hasOlder: below.length > rows,
  };
}

async function shiftedTop(
  store: ReadStore,
  filter: ListFilter,
  { top, shift }: PageRequest,
): Promise<JobId | null> {
  if (typeof shift !== 'number' || shift === 0) return top;
  if (shift > 0) return (await store.list({ ...filter, ...from(top), limit: shift + 1 })).at(-1)?.id ?? top;
  if (top === null) return null;
  return (await store.list({ ...filter, from: top, towards: 'newer', limit: 1 - shift }))[0]?.id ?? top;
}

async function oldestTop(store: ReadStore, filter: ListFilter, rows: number): Promise<JobId | null> {
  return (await store.list({ ...filter, towards: 'newer', limit: rows }))[0]?.id ?? null;
}

function from(top: JobId | null): { readonly from?: JobId } {
  return top === null ? {} : { from: top };
}
