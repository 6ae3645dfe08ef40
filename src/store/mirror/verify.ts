import type { JobId } from '../../job/job.js';
import { type Clock, pause } from '../../platform/clock.js';
import type { SqliteStore } from '../sqlite/store.js';
import { meaningOf } from './keys.js';
import { type MirroredRow, MirroredRows } from './mirrored-rows.js';
import { putInLine } from './mirroring.js';
import { differenceBetween, digestOf, type MirrorRecord } from './record.js';
import { type MirrorLink, type MirrorLook, RedisMirror } from './redis-mirror.js';
import { type ComparedState, SideSums } from './side-sums.js';

const PAGE = 500;
const PAGE_BYTES = 4_000_000;
const LOOK_AGAIN_MS = 50;

export interface VerifyOptions {
  readonly sqlite: Pick<SqliteStore, 'look' | 'within'>;
  readonly link: MirrorLink;
  /** `move.mirror`. */
  readonly mirror: string;
  readonly clock: Clock;
  /** How long the mirror may take to follow what was changed before. */
  readonly waitMs: number;
  /** Differences that are named. */
  readonly mostNamed?: number;
  /** Jobs that were compared, of about so many. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** `missing` and `extra`: in the mirror. */
interface Difference {
  readonly id: JobId;
  readonly workspace: string;
  readonly kind: 'missing' | 'extra' | 'differs';
  /** What of it differs. */
  readonly detail: string;
}

export interface VerifyReport {
  /** Both sides have the same jobs, each the same, and the mirror has followed all changes from before the look. */
  readonly isEqual: boolean;
  /** Compared. */
  readonly jobs: number;
  readonly states: readonly ComparedState[];
  /** Jobs that differ though the mirror has followed them. All of them are put right; look again once that is done. */
  readonly divergent: number;
  /** The first of them. */
  readonly differences: readonly Difference[];
  /** Jobs that changed so often that no look met both sides at one moment. */
  readonly inMotion: number;
  /** More than 0: the mirror has not followed in time, and nothing was compared. */
  readonly waiting: number;
}

/**
 * Holds every job here against the mirror, and every job in the mirror against here, while both are at work: a difference
 * counts only if it is still there once the mirror has followed the job. Writes down what was found. Throws REDIS_AWAY.
 */
export async function verifyMirror(options: VerifyOptions): Promise<VerifyReport> {
  const verification = new Verification(options);
  return verification.run();
}

class Verification {
  readonly #options: VerifyOptions;
  readonly #mirror: RedisMirror;
  readonly #sums = new SideSums();
  readonly #differences: Difference[] = [];
  #rows: MirroredRows | undefined;
  #jobs = 0;
  #divergent = 0;
  #inMotion = 0;

  constructor(options: VerifyOptions) {
    this.#options = options;
    this.#mirror = new RedisMirror(options.link, options.mirror);
  }

  async run(): Promise<VerifyReport> {
    const { onProgress, sqlite, clock } = this.#options;
    const waiting = await this.#waitForLine();
    if (waiting > 0) return this.#report(waiting);
    // What is added from now on is no part of it: this must come to an end.
    const { total, until } = await this.#read((rows) => ({ total: rows.total(), until: rows.lastId() }));
    for (let after = 0; ; ) {
      const page = await this.#read((rows) => rows.page(after, until, PAGE, PAGE_BYTES));
      if (page.length === 0) break;
      await this.#comparePage(page);
      after = Number(page.at(-1)?.id);
      this.#jobs += page.length;
      onProgress?.(this.#jobs, Math.max(total, this.#jobs));
    }
    await this.#findExtra();
    const report = this.#report(0);
    await sqlite.within(({ db }) =>
      db
        .prepare('UPDATE move SET divergent = ?, verified_at = iif(?, ?, verified_at)')
        .run(report.divergent, report.isEqual ? 1 : 0, clock.wallMs()),
    );
    return report;
  }

  /** Until the mirror has followed all that was changed before now. Returns what it has not. */
  async #waitForLine(): Promise<number> {
    const { clock, waitMs } = this.#options;
    const endMs = clock.monotonicMs() + waitMs;
    const revision = await this.#read((rows) => rows.revision());
    for (;;) {
      const waiting = await this.#read((rows) => rows.waiting(revision));
      if (waiting === 0 || clock.monotonicMs() >= endMs) return waiting;
      await pause(clock, LOOK_AGAIN_MS);
    }
  }

  async #comparePage(page: readonly MirroredRow[]): Promise<void> {
    const suspects: JobId[] = [];
    for (const [row, there] of await this.#looks(page)) {
      if (isEqual(row.record, there)) this.#addEqual(row);
      else suspects.push(row.id);
    }
    const divergent = await this.#lookAgain(suspects);
    if (divergent.length > 0)
      await this.#options.sqlite.within(({ db }) => putInLine(db, divergent.map(Number)));
  }

  /** Until both sides of each are met at one moment. Returns those that differ then. */
  async #lookAgain(suspects: readonly JobId[]): Promise<readonly JobId[]> {
    const { clock, waitMs } = this.#options;
    const endMs = clock.monotonicMs() + waitMs;
    const divergent: JobId[] = [];
    for (let open = suspects; open.length > 0; ) {
      const rows = await this.#rowsOf(open);
      // Pruned meanwhile: whether the mirror has followed is looked at with what is extra.
      const inMotion = new Set(rows.filter(({ isInLine }) => isInLine).map(({ id }) => id));
      const differing = new Map<JobId, readonly [MirroredRow, MirrorLook | null]>();
      for (const [row, there] of await this.#looks(rows.filter(({ isInLine }) => !isInLine))) {
        if (isEqual(row.record, there)) this.#addEqual(row);
        else differing.set(row.id, [row, there]);
      }
      for (const again of await this.#rowsOf([...differing.keys()])) {
        const [row, there] = differing.get(again.id) ?? [again, null];
        if (again.isInLine || again.record.digest !== row.record.digest) {
          inMotion.add(again.id);
          continue;
        }
        this.#note(row, there);
        divergent.push(again.id);
      }
      open = [...inMotion];
      if (open.length > 0 && clock.monotonicMs() >= endMs) {
        this.#inMotion += open.length;
        break;
      }
      if (open.length > 0) await pause(clock, LOOK_AGAIN_MS);
    }
    return divergent;
  }

  #rowsOf(ids: readonly JobId[]): Promise<readonly MirroredRow[]> {
    if (ids.length === 0) return Promise.resolve([]);
    return this.#read((rows) => ids.flatMap((id) => rows.row(id) ?? []));
  }

  /** What only the mirror has: whole jobs, and ids in its sets. It is taken away. */
  async #findExtra(): Promise<void> {
    for await (const keys of this.#mirror.keys(1_000)) {
      const jobs = new Map<string, JobId[]>();
      for (const key of keys) {
        const meaning = meaningOf(this.#options.mirror, key);
        if (meaning === null) continue;
        const { workspace } = meaning;
        if (meaning.kind === 'job') jobs.set(workspace, [...(jobs.get(workspace) ?? []), meaning.id]);
        else for await (const ids of this.#mirror.members(key, PAGE)) await this.#purge(workspace, ids);
      }
      for (const [workspace, ids] of jobs) await this.#purge(workspace, ids);
    }
  }

  async #purge(workspace: string, ids: readonly JobId[]): Promise<void> {
    const unknown = await this.#read((rows) =>
      ids.filter((id) => !rows.isKnown(workspace, id) && !rows.isInLine(id)),
    );
    if (unknown.length === 0) return;
    const looks = await this.#mirror.look(workspace, unknown);
    const extra = unknown.flatMap((id, n) => {
      const there = looks[n];
      if (there == null) return [];
      this.#divergent += 1;
      this.#addThere(workspace, there, there.states.length > 0 ? there.states : [there.state]);
      this.#name({ id, workspace, kind: 'extra', detail: 'no such job here' });
      return [{ id, revision: there.revision }];
    });
    await this.#mirror.purge(workspace, extra);
  }

  async #looks(
    rows: readonly MirroredRow[],
  ): Promise<readonly (readonly [MirroredRow, MirrorLook | null])[]> {
    const byWorkspace = new Map<string, MirroredRow[]>();
    for (const row of rows) byWorkspace.set(row.workspace, [...(byWorkspace.get(row.workspace) ?? []), row]);
    const pairs: (readonly [MirroredRow, MirrorLook | null])[] = [];
    for (const [workspace, some] of byWorkspace) {
      const looks = await this.#mirror.look(
        workspace,
        some.map(({ id }) => id),
      );
      for (const [n, row] of some.entries()) pairs.push([row, looks[n] ?? null]);
    }
    return pairs;
  }

  #addEqual({ workspace, record }: MirroredRow): void {
    for (const side of ['here', 'mirror'] as const)
      this.#sums.add(side, workspace, record.state, record.digest);
  }

  /** One that stands in two sets counts twice, and one in none not at all: as everybody finds it who goes by them. */
  #addThere(workspace: string, there: MirrorLook, states: readonly string[]): void {
    const digest = digestOf(there.text, there.payload);
    for (const state of states) this.#sums.add('mirror', workspace, state, digest);
  }

  #note({ id, workspace, record }: MirroredRow, there: MirrorLook | null): void {
    this.#divergent += 1;
    this.#sums.add('here', workspace, record.state, record.digest);
    if (there === null) {
      this.#name({ id, workspace, kind: 'missing', detail: 'the mirror does not have it' });
      return;
    }
    this.#addThere(workspace, there, there.states);
    this.#name({ id, workspace, kind: 'differs', detail: detailOf(record, there) });
  }

  #name(difference: Difference): void {
    if (this.#differences.length < (this.#options.mostNamed ?? 20)) this.#differences.push(difference);
  }

  #report(waiting: number): VerifyReport {
    const divergent = this.#divergent;
    return {
      isEqual: divergent === 0 && this.#inMotion === 0 && waiting === 0,
      jobs: this.#jobs,
      states: this.#sums.told(),
      divergent,
      differences: this.#differences,
      inMotion: this.#inMotion,
      waiting,
    };
  }

  #read<T>(work: (rows: MirroredRows) => T): Promise<T> {
    return this.#options.sqlite.look((core, verbs) => {
      this.#rows ??= new MirroredRows(core.db, verbs);
      return work(this.#rows);
    });
  }
}

/** Of what is there itself, not of what is said of it there. */
function isEqual(here: MirrorRecord, there: MirrorLook | null): boolean {
  return (
    there !== null &&
    digestOf(there.text, there.payload) === here.digest &&
    there.digest === here.digest &&
    there.state === here.state &&
    there.states.length === 1 &&
    there.states[0] === here.state
  );
}

function detailOf(here: MirrorRecord, there: MirrorLook): string {
  const content = differenceBetween(here, there);
  if (content !== '') return content;
  return there.states.join() === here.state
    ? 'what is said of it'
    : `it stands among: ${there.states.join(', ') || 'none'}`;
}
