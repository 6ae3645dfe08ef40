import { failpoint } from '../../platform/failpoint.js';
import type { SqliteStore } from '../sqlite/store.js';
import { Line } from './line.js';
import type { MirrorAnswer, MirrorChange, RedisMirror } from './redis-mirror.js';

/** What is written down here in one transaction. */
const BATCH = 500;
/** What goes to Redis in one call: a few milliseconds of work for the loop, and half a second of a slow network. */
const SLICE = 50;
const SLICE_BYTES = 2_000_000;

/** A full Redis takes what is removed, and nothing new. */
const OUT_OF_MEMORY = /\bOOM\b/;

type MirrorResult = MirrorAnswer['kind'];

/** What became of jobs that were sent, as it is counted. */
export type NoteResult = (workspace: string, result: MirrorResult, jobs: number) => void;

export interface RelayParts {
  readonly sqlite: Pick<SqliteStore, 'look' | 'within'>;
  readonly mirror: Pick<RedisMirror, 'write'>;
  readonly onResult: NoteResult;
}

/** What one batch came to. */
export interface Step {
  readonly sent: number;
  readonly failed: number;
  /** Why of the first that failed. */
  readonly why: string | null;
  /** Redis takes nothing now: it is away, or full. */
  readonly isBlocked: boolean;
  readonly isAway: boolean;
  /** Redis no longer knows the mirror. */
  readonly isLost: boolean;
}

/**
 * Sends what stands in line to the mirror. A job leaves the line only when the mirror has it as it was sent, so whatever
 * fails, and whoever dies, it is sent again; and nobody who changes a job waits for any of it.
 */
export class MirrorRelay {
  readonly #parts: RelayParts;
  #line: Line | undefined;
  /** A slice that takes longer than a call may is halved until it does not. */
  #share = 1;

  constructor(parts: RelayParts) {
    this.#parts = parts;
  }

  /** `failed`: those that went wrong before. */
  async send(which: 'fresh' | 'failed'): Promise<Step> {
    const { sqlite, mirror, onResult } = this.#parts;
    const jobIds = await this.#look((line) => line.next(which, BATCH));
    const changes: MirrorChange[] = [];
    const answers: MirrorAnswer[] = [];
    let isAway = false;
    for (let at = 0; at < jobIds.length && !isAway; ) {
      const slice = await this.#look((line) =>
        line.read(jobIds.slice(at), Math.ceil(SLICE * this.#share), SLICE_BYTES * this.#share),
      );
      at += slice.looked;
      if (slice.changes.length === 0) continue;
      failpoint('mirror.before-send');
      const written = await writeAll(mirror, slice.changes);
      failpoint('mirror.after-send');
      changes.push(...slice.changes);
      answers.push(...written.answers);
      isAway = written.isAway;
      this.#share = isAway ? Math.max(1 / SLICE, this.#share / 2) : Math.min(1, this.#share * 2);
    }
    if (changes.length === 0)
      return { sent: 0, failed: 0, why: null, isBlocked: false, isAway: false, isLost: false };
    await sqlite.within((core, verbs) => {
      this.#line ??= new Line(core.db, verbs);
      this.#line.settle(changes, answers);
    });
    for (const [key, jobs] of tally(changes, answers)) {
      const [workspace = '', result = 'failed'] = key.split(':') as [string, MirrorResult];
      onResult(workspace, result, jobs);
    }
    const failures = answers.flatMap((answer) => (answer.kind === 'failed' ? [answer.why] : []));
    return {
      sent: changes.length,
      failed: failures.length,
      why: failures[0] ?? null,
      isBlocked:
        isAway || failures.length === changes.length || failures.some((why) => OUT_OF_MEMORY.test(why)),
      isAway,
      isLost: answers.some(({ kind }) => kind === 'lost'),
    };
  }

  #look<T>(work: (line: Line) => T): Promise<T> {
    return this.#parts.sqlite.look((core, verbs) => {
      this.#line ??= new Line(core.db, verbs);
      return work(this.#line);
    });
  }
}

/** When the way to Redis failed, what became of them is not known: to send them again does no harm. */
async function writeAll(
  mirror: Pick<RedisMirror, 'write'>,
  changes: readonly MirrorChange[],
): Promise<{ answers: readonly MirrorAnswer[]; isAway: boolean }> {
  try {
    return { answers: await mirror.write(changes), isAway: false };
  } catch (error) {
    const why = (error as Error).message;
    return { answers: changes.map(() => ({ kind: 'failed', why })), isAway: true };
  }
}

function tally(
  changes: readonly MirrorChange[],
  answers: readonly MirrorAnswer[],
): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const [n, { workspace }] of changes.entries()) {
    const key = `${workspace}:${answers[n]?.kind ?? 'failed'}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}
