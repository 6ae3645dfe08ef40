import { DoggedError } from '../../job/errors.js';
import type { JobId } from '../../job/job.js';
import type { JobDetails, JobFilter, JobSummary, ReadStore } from '../read-contract.js';
import type { SqliteStore } from '../sqlite/store.js';
import { digestOf, jobOf, recordOf } from './record.js';
import { type MirrorLink, type MirrorLook, RedisMirror } from './redis-mirror.js';

/** Lists are asked for in so many at a time. */
const PAGE = 100;

interface MirrorReads extends Pick<ReadStore, 'get' | 'list'> {
  /** Jobs whose copy differed though the mirror had followed them. */
  readonly divergent: ReadonlySet<JobId>;
  /** How many answers came from where. */
  readonly from: { readonly mirror: number; readonly rows: number };
}

export interface ReaderParts {
  readonly sqlite: Pick<SqliteStore, 'get' | 'list' | 'look'>;
  readonly link: MirrorLink;
  readonly mirror: string;
}

interface Row {
  readonly job: JobDetails;
  readonly isInLine: boolean;
}

/**
 * Asks the mirror first. Where it does not have the job, has not followed it yet, or cannot be asked, the row answers. What it
 * says is held against the row before it is shown, so nothing is shown that is older than the row; a job that the rows do not
 * have is none.
 */
export class ReadThroughMirror implements MirrorReads {
  readonly #sqlite: ReaderParts['sqlite'];
  readonly #link: MirrorLink;
  readonly #mirror: RedisMirror;
  readonly #divergent = new Set<JobId>();
  readonly #from = { mirror: 0, rows: 0 };

  constructor({ sqlite, link, mirror }: ReaderParts) {
    this.#sqlite = sqlite;
    this.#link = link;
    this.#mirror = new RedisMirror(link, mirror);
  }

  get divergent(): ReadonlySet<JobId> {
    return this.#divergent;
  }

  get from(): { readonly mirror: number; readonly rows: number } {
    return this.#from;
  }

  async get(workspace: string | null, id: JobId): Promise<JobDetails | null> {
    const job = await this.#sqlite.get(workspace, id);
    if (job === null) return null;
    const [there = null] = await this.#ask(job.workspace, [id]);
    return this.#held(job.workspace, id, there);
  }

  async list(filter: JobFilter): Promise<readonly JobSummary[]> {
    const listed = await this.#sqlite.list(filter);
    const jobs: JobSummary[] = [];
    for (let from = 0; from < listed.length; from += PAGE) {
      const page = listed.slice(from, from + PAGE);
      const looks = await this.#askAll(page);
      for (const job of page) {
        const held = await this.#held(job.workspace, job.id, looks.get(job.id) ?? null);
        if (held === null) continue;
        const { history: _, ...summary } = held;
        jobs.push(summary);
      }
    }
    return jobs;
  }

  /** What the mirror said, held against the row. null: there is no such job any more. */
  async #held(workspace: string, id: JobId, there: MirrorLook | null): Promise<JobDetails | null> {
    let said = there;
    let before: string | null = null;
    // A job that changes while it is looked at is looked at again, and soon the row answers.
    for (let looks = 0; looks < 3; looks += 1) {
      const row = await this.#row(workspace, id);
      if (row === null) return null;
      const { digest } = recordOf(row.job);
      if (said !== null && !row.isInLine && isIntact(said) && said.digest === digest) {
        this.#from.mirror += 1;
        return jobOf(said.text, said.payload, row.job);
      }
      if (said !== null && digest === before && !row.isInLine) this.#divergent.add(id);
      if (said === null || row.isInLine || digest === before) {
        this.#from.rows += 1;
        return row.job;
      }
      before = digest;
      [said = null] = await this.#ask(workspace, [id]);
    }
    this.#from.rows += 1;
    return (await this.#row(workspace, id))?.job ?? null;
  }

  async #row(workspace: string, id: JobId): Promise<Row | null> {
    return this.#sqlite.look(({ db }, verbs) => {
      const job = verbs.reading.get(workspace, id);
      if (job === null) return null;
      const isInLine = db.prepare('SELECT 1 FROM mirror_outbox WHERE job_id = ?').get(id) !== undefined;
      return { job, isInLine };
    });
  }

  async #askAll(jobs: readonly JobSummary[]): Promise<ReadonlyMap<JobId, MirrorLook | null>> {
    const ids = new Map<string, JobId[]>();
    for (const { workspace, id } of jobs) ids.set(workspace, [...(ids.get(workspace) ?? []), id]);
    const answers = new Map<JobId, MirrorLook | null>();
    for (const [workspace, some] of ids) {
      const looks = await this.#ask(workspace, some);
      for (const [n, id] of some.entries()) answers.set(id, looks[n] ?? null);
    }
    return answers;
  }

  /** Nothing at all, where it cannot be asked: then the rows answer. */
  async #ask(workspace: string, ids: readonly JobId[]): Promise<readonly (MirrorLook | null)[]> {
    if (!this.#link.isUp) return [];
    try {
      return await this.#mirror.look(workspace, ids);
    } catch (error) {
      if (!isOfRedis(error)) throw error;
      return [];
    }
  }
}

function isIntact({ text, payload, digest }: MirrorLook): boolean {
  return digestOf(text, payload) === digest;
}

/** It is away, or refuses the question. */
function isOfRedis(error: unknown): boolean {
  return error instanceof DoggedError ? error.code === 'REDIS_AWAY' : (error as Error).name === 'ReplyError';
}
