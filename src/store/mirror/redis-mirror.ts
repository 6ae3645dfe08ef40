import type { ChainableCommander, Redis } from 'ioredis';
import { JOB_STATES, type JobId } from '../../job/job.js';
import { markKey, mirrorKeys, mirrorPrefix } from './keys.js';
import type { MirrorRecord } from './record.js';
import { MIRROR_SCRIPTS } from './scripts.js';

/** The way to Redis, as far as a mirror needs it. */
export interface MirrorLink {
  readonly isUp: boolean;
  /** What is the matter with it. */
  readonly why: string;
  readonly client: Redis;
  /** Throws REDIS_AWAY. */
  call<T>(work: () => Promise<T>): Promise<T>;
  /** The answer, or the error, of each command. Throws REDIS_AWAY where it is not known what has become of them. */
  exec(commands: Pick<ChainableCommander, 'exec'>): Promise<readonly [Error | null, unknown][]>;
}

/** What is to become of one job in the mirror. */
export interface MirrorChange {
  readonly jobId: number;
  readonly workspace: string;
  readonly revision: number;
  /** null: it is no more. */
  readonly record: MirrorRecord | null;
}

/**
 * - `written`: all of it. `repeated`: it was there already, as after a time-out of a call that had succeeded.
 * - `outdated`: what is there has this revision, and is not what was sent.
 * - `lost`: Redis no longer knows this mirror. `failed`: nothing was written.
 */
export type MirrorAnswer =
  | { readonly kind: 'written' | 'repeated' | 'lost' }
  | { readonly kind: 'outdated'; readonly revision: number }
  | { readonly kind: 'failed'; readonly why: string };

/** A job as it stands in the mirror. */
export interface MirrorLook {
  readonly revision: number;
  readonly state: string;
  readonly text: string;
  readonly payload: Buffer;
  /** As it was written with it. */
  readonly digest: string;
  /** In whose sets it stands. */
  readonly states: readonly string[];
}

type Script = keyof typeof MIRROR_SCRIPTS;
type Pipeline = ReturnType<Redis['pipeline']>;
type Queued = Record<string, (...args: unknown[]) => unknown>;

/** One mirror in Redis: each call for a job is all or nothing. */
export class RedisMirror {
  readonly #link: MirrorLink;
  readonly #mirror: string;

  constructor(link: MirrorLink, mirror: string) {
    this.#link = link;
    this.#mirror = mirror;
    for (const [name, lua] of Object.entries(MIRROR_SCRIPTS)) {
      link.client.defineCommand(`dogged_mirror_${name}`, { lua });
    }
  }

  isMarked(): Promise<boolean> {
    return this.#link.call(async () => (await this.#link.client.exists(markKey(this.#mirror))) === 1);
  }

  async setMark(): Promise<void> {
    await this.#link.call(() => this.#link.client.set(markKey(this.#mirror), '1'));
  }

  /** In the order of `changes`. Throws REDIS_AWAY when it is not known what has become of them. */
  async write(changes: readonly MirrorChange[]): Promise<readonly MirrorAnswer[]> {
    const pipeline = this.#link.client.pipeline();
    const refused = changes.map((change) => this.#queue(pipeline, change));
    const answers = await this.#exec(pipeline);
    let next = 0;
    return refused.map((why) => {
      if (why !== null) return { kind: 'failed', why };
      const [error, answer] = answers[next++] ?? [new Error('no answer'), null];
      return error === null ? answerOf(answer as [number, number]) : { kind: 'failed', why: error.message };
    });
  }

  /** In the order of `ids`; null: the mirror does not have it. */
  async look(workspace: string, ids: readonly JobId[]): Promise<readonly (MirrorLook | null)[]> {
    const keys = mirrorKeys(this.#mirror, workspace);
    const pipeline = this.#link.client.pipeline();
    for (const id of ids) queue(pipeline, 'look', [keys.job(id), ...keys.states], [id], 'Buffer');
    const answers = await this.#exec(pipeline);
    return ids.map((_, n) => {
      const [error, answer] = answers[n] ?? [new Error('no answer'), null];
      if (error !== null) throw error;
      return lookOf(answer as (Buffer | null)[]);
    });
  }

  /** Takes jobs away that are as they were seen, and are on neither side any more. */
  async purge(
    workspace: string,
    seen: readonly { readonly id: JobId; readonly revision: number }[],
  ): Promise<void> {
    const pipeline = this.#link.client.pipeline();
    for (const { id, revision } of seen) this.#queueFor(pipeline, 'purge', workspace, id, [id, revision]);
    await this.#exec(pipeline);
  }

  /** All keys, page by page; one may come twice. */
  async *keys(count: number): AsyncGenerator<readonly string[]> {
    const pattern = `${mirrorPrefix(this.#mirror)}*`;
    yield* pages((cursor) =>
      this.#link.call(() => this.#link.client.scan(cursor, 'MATCH', pattern, 'COUNT', count)),
    );
  }

  /** The ids in a set, page by page; one may come twice. */
  async *members(key: string, count: number): AsyncGenerator<readonly string[]> {
    yield* pages((cursor) => this.#link.call(() => this.#link.client.sscan(key, cursor, 'COUNT', count)));
  }

  /** The mark goes first: nobody writes any more from then on. Returns how many keys went. */
  async drop(onPage: (keys: number) => void = () => undefined): Promise<number> {
    await this.#link.call(() => this.#link.client.unlink(markKey(this.#mirror)));
    let removed = 0;
    for await (const keys of this.keys(1_000)) {
      if (keys.length === 0) continue;
      removed += await this.#link.call(() => this.#link.client.unlink(...keys));
      onPage(removed);
    }
    return removed;
  }

  /** Why it cannot be sent at all; null once it stands in the pipeline. */
  #queue(pipeline: Pipeline, { jobId, workspace, revision, record }: MirrorChange): string | null {
    const id = String(jobId);
    try {
      if (record === null) this.#queueFor(pipeline, 'drop', workspace, id, [id, revision]);
      else {
        const { state, text, payload, digest } = record;
        const fields = [JOB_STATES.indexOf(state) + 1, state, text, payload, digest];
        this.#queueFor(pipeline, 'put', workspace, id, [id, revision, ...fields]);
      }
      return null;
    } catch (error) {
      return (error as Error).message;
    }
  }

  #queueFor(
    pipeline: Pipeline,
    script: Script,
    workspace: string,
    id: JobId,
    args: readonly unknown[],
  ): void {
    const { job, gone, states } = mirrorKeys(this.#mirror, workspace);
    queue(pipeline, script, [job(id), gone, markKey(this.#mirror), ...states], args);
  }

  async #exec(pipeline: Pipeline): Promise<readonly [Error | null, unknown][]> {
    return pipeline.length === 0 ? [] : this.#link.exec(pipeline);
  }
}

function queue(
  pipeline: Pipeline,
  script: Script,
  keys: readonly string[],
  args: readonly unknown[],
  form: '' | 'Buffer' = '',
): void {
  const run = (pipeline as unknown as Queued)[`dogged_mirror_${script}${form}`];
  if (run === undefined) throw new Error(`no script ${script}`);
  run.call(pipeline, keys.length, ...keys, ...args);
}

async function* pages(
  ask: (cursor: string) => Promise<[cursor: string, elements: string[]]>,
): AsyncGenerator<readonly string[]> {
  let cursor = '0';
  do {
    const [next, elements] = await ask(cursor);
    yield elements;
    cursor = next;
  } while (cursor !== '0');
}

function answerOf([code, revision]: [number, number]): MirrorAnswer {
  switch (code) {
    case 1:
      return { kind: 'written' };
    case 0:
      return { kind: 'repeated' };
    case -2:
      return { kind: 'lost' };
    default:
      return { kind: 'outdated', revision };
  }
}

function lookOf([revision, state, record, payload, digest, ...sets]: (Buffer | null)[]): MirrorLook | null {
  const states = JOB_STATES.filter((_, n) => sets[n]?.toString() === '1');
  if (revision == null && record == null && payload == null && states.length === 0) return null;
  return {
    revision: Number(revision ?? -1),
    state: state?.toString() ?? '',
    text: record?.toString() ?? '',
    payload: payload ?? Buffer.alloc(0),
    digest: digest?.toString() ?? '',
    states,
  };
}
