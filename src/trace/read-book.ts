import type { JobId } from '../job/job.js';
import { type Digest, extendDigest, NOTHING } from './digest.js';

/** Of larger cycles nobody waits for the last job; `dogged trace` tells of them from the database. */
const MOST_JOBS_A_CYCLE = 1_000;
/** Of all cycles that are open: 2 MB. */
const MOST_JOBS = 10_000;

/** SHA-256: how the seal of a job ends. */
const HASH_BYTES = 32;

interface OpenCycle {
  readonly source: string | null;
  readonly ids: JobId[];
  /** Seals as they were enqueued; replaced by what was read, where that differs. */
  readonly parts: Buffer[];
  left: number;
  isEqual: boolean;
  isClosed: boolean;
  isTooLarge: boolean;
}

interface Place {
  readonly cycle: string;
  readonly open: OpenCycle;
  /** Among the jobs of its cycle. */
  readonly n: number;
}

/** That every job of a cycle was claimed, and what they were claimed with. */
export interface CycleRead extends Digest {
  readonly cycle: string;
  readonly source: string | null;
  /** What was read is what was enqueued. */
  readonly isEqual: boolean;
}

/**
 * Which jobs of the latest cycles have not been read yet: kept in memory alone, by intake and dispatch together, so that a
 * cycle is told once when all of it was read. Bounded: what falls out of it is told by the database.
 */
export class ReadBook {
  readonly #cycles = new Map<string, OpenCycle>();
  readonly #placeOf = new Map<JobId, Place>();

  /** These were enqueued: ids with their seals. */
  expect(
    cycle: string,
    source: string | null,
    jobs: () => readonly (readonly [id: JobId, part: Buffer])[],
  ): void {
    const open = this.#cycles.get(cycle) ?? newCycle(source);
    this.#cycles.set(cycle, open);
    if (open.isTooLarge) return;
    const more = jobs();
    if (open.ids.length + more.length > MOST_JOBS_A_CYCLE) {
      this.#forget(cycle);
      this.#cycles.set(cycle, { ...newCycle(source), isTooLarge: true });
      return;
    }
    for (const [id, part] of more) {
      this.#replace(id);
      this.#placeOf.set(id, { cycle, open, n: open.ids.length });
      open.ids.push(id);
      open.parts.push(part);
      open.left += 1;
    }
    while (this.#placeOf.size > MOST_JOBS) this.#forget([...this.#cycles.keys()][0] ?? '');
  }

  /** Nothing more comes of this cycle. Answers as `read`: its jobs may have been quicker. */
  close(cycle: string): CycleRead | null {
    const open = this.#cycles.get(cycle);
    if (open === undefined) return null;
    open.isClosed = true;
    if (open.isTooLarge) this.#cycles.delete(cycle);
    return this.#tellIfDone(cycle, open);
  }

  /** A claim returned this job, with a payload of this hash. Answers once for each cycle, with its last job. */
  read(id: JobId, payloadHash: Buffer): CycleRead | null {
    const place = this.#placeOf.get(id);
    if (place === undefined) return null;
    this.#placeOf.delete(id);
    const { cycle, open, n } = place;
    const part = open.parts[n];
    if (part !== undefined && payloadHash.compare(part, part.length - HASH_BYTES) !== 0) {
      open.isEqual = false;
      open.parts[n] = Buffer.concat([part.subarray(0, -HASH_BYTES), payloadHash]);
    }
    open.left -= 1;
    return this.#tellIfDone(cycle, open);
  }

  #tellIfDone(
    cycle: string,
    { source, ids, parts, left, isEqual, isClosed, isTooLarge }: OpenCycle,
  ): CycleRead | null {
    if (!isClosed || left > 0) return null;
    this.#cycles.delete(cycle);
    if (isTooLarge || ids.length === 0) return null;
    return { ...extendDigest(NOTHING, Buffer.concat(parts), ids.length), cycle, source, isEqual };
  }

  /** A newer version has taken the place of the one that was to be read: its cycle is never read whole. */
  #replace(id: JobId): void {
    const former = this.#placeOf.get(id);
    if (former !== undefined) this.#forget(former.cycle);
  }

  #forget(cycle: string): void {
    for (const id of this.#cycles.get(cycle)?.ids ?? []) this.#placeOf.delete(id);
    this.#cycles.delete(cycle);
  }
}

function newCycle(source: string | null): OpenCycle {
  return { source, ids: [], parts: [], left: 0, isEqual: true, isClosed: false, isTooLarge: false };
}
