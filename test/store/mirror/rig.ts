import type { Database } from 'better-sqlite3';
import { expect, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/platform/clock.js';
import { redisAddress } from '../../../src/store/bullmq/address.js';
import { RedisLink } from '../../../src/store/bullmq/redis-link.js';
import { mirrorKeys } from '../../../src/store/mirror/keys.js';
import { startCopy, startMirror } from '../../../src/store/mirror/mirroring.js';
import { type MirrorAnswer, type MirrorChange, RedisMirror } from '../../../src/store/mirror/redis-mirror.js';
import type { MirrorRelay, NoteResult } from '../../../src/store/mirror/relay.js';
import { type VerifyReport, verifyMirror } from '../../../src/store/mirror/verify.js';
import { MirrorWork } from '../../../src/store/mirror/work.js';
import { beginMove } from '../../../src/store/sqlite/move-book.js';
import { readMove } from '../../../src/store/sqlite/move-row.js';
import { openSqliteStore } from '../../../src/store/sqlite/open.js';
import type { SqliteStore } from '../../../src/store/sqlite/store.js';
import { ownedStore, T0 } from '../../conformance/given.js';
import type { RedisServer } from '../../support/redis-server.js';
import { tempFolder } from '../../support/temp-folder.js';
import { until } from '../../support/until.js';
import { rawDatabase } from '../sqlite/given.js';

/** A worker's store that is mirrored, and its database by itself. */
export interface Mirrored {
  readonly folder: string;
  readonly store: SqliteStore;
  readonly db: Database;
  readonly mirror: string;
}

/** `before`: puts there what is there when the mirror begins; left out: nothing, so the copy is done. */
export async function mirrored(
  server: RedisServer,
  before?: (store: SqliteStore) => Promise<unknown>,
): Promise<Mirrored> {
  const folder = tempFolder();
  const store = (await ownedStore({
    open: (use) => openSqliteStore(folder, use, systemClock),
  })) as SqliteStore;
  onTestFinished(() => store.close());
  const db = rawDatabase(folder, { timeout: 5_000 });
  await before?.(store);
  const mirror = await store.within(({ db: inside }) => {
    beginMove(inside, { source: 'sqlite', target: server.url, phase: 'dual', startedAtMs: T0 });
    const id = startMirror(inside);
    if (before === undefined) startCopy(inside);
    return id;
  });
  return { folder, store, db, mirror };
}

export const beginCopy = ({ store }: Mirrored): Promise<void> => store.within(({ db }) => startCopy(db));

/** The worker's part, at work. */
export interface Working {
  readonly work: MirrorWork;
  /** How many jobs came to what, by `workspace result`. */
  readonly results: Map<string, number>;
  readonly problems: (string | null)[];
  /** Changes that were behind when a problem was over. */
  readonly behindWhenOver: number[];
  readonly errors: unknown[];
}

export function counting(): { results: Map<string, number>; onResult: NoteResult } {
  const results = new Map<string, number>();
  const onResult: NoteResult = (workspace, result, jobs) => {
    const name = `${workspace} ${result}`;
    results.set(name, (results.get(name) ?? 0) + jobs);
  };
  return { results, onResult };
}

export function working(server: RedisServer, { store, db, mirror }: Mirrored): Working {
  const { results, onResult } = counting();
  const problems: (string | null)[] = [];
  const behindWhenOver: number[] = [];
  const errors: unknown[] = [];
  const work = new MirrorWork({
    sqlite: store,
    target: server.url,
    mirror,
    clock: systemClock,
    events: {
      onResult,
      onMirror(problem) {
        problems.push(problem);
        if (problem === null) behindWhenOver.push(readMove(db)?.behind ?? 0);
      },
      onMirrorError: (error) => errors.push(error),
    },
  });
  work.start();
  onTestFinished(() => work.stop());
  return { work, results, problems, behindWhenOver, errors };
}

/** All that is there is in the mirror, as far as the line tells. */
export const caughtUp = ({ db }: Mirrored) =>
  until(() => {
    const move = readMove(db);
    return move !== null && move.behind === 0 && move.copiedTo >= (move.copyUntil ?? 0);
  });

/** A way to Redis of one's own. */
export async function linkTo(server: RedisServer, callWithinMs = 2_000): Promise<RedisLink> {
  const link = new RedisLink({
    address: redisAddress(server.url, {}),
    clock: systemClock,
    callWithinMs,
    onBack: () => undefined,
    onProblem: () => undefined,
    onWarning: () => undefined,
  });
  onTestFinished(() => link.close());
  await until(() => link.isUp);
  return link;
}

/** The mirror in Redis, ready to be written to by hand. */
export async function mirrorIn(server: RedisServer, { mirror }: Mirrored): Promise<RedisMirror> {
  const side = new RedisMirror(await linkTo(server), mirror);
  await side.setMark();
  return side;
}

/** What Redis holds of a job: its fields, and the states in whose sets it stands. Nothing at all: `null`. */
export async function inRedis(server: RedisServer, { mirror }: Mirrored, id: string, workspace = 'default') {
  const keys = mirrorKeys(mirror, workspace);
  const fields = await server.client.hgetall(keys.job(id));
  const states: string[] = [];
  for (const key of keys.states) {
    if ((await server.client.sismember(key, id)) === 1) states.push(key.split(':').at(-1) ?? '');
  }
  const names = Object.keys(fields).sort();
  return names.length === 0 && states.length === 0 ? null : { fields, names, states };
}

export const WHOLE = ['digest', 'payload', 'record', 'revision', 'state'];

/** The mirror behind a bad line: what a call does, and what becomes known of it. */
export class BadLine implements Pick<RedisMirror, 'write'> {
  readonly #side: RedisMirror;
  /** Of the n-th call: fails before it is made, or after it was done; null: neither. */
  fault: (call: number) => 'before' | 'after' | null = () => null;
  calls = 0;

  constructor(side: RedisMirror) {
    this.#side = side;
  }

  async write(changes: readonly MirrorChange[]): Promise<readonly MirrorAnswer[]> {
    this.calls += 1;
    const fault = this.fault(this.calls);
    if (fault === 'before') throw new Error('connection lost');
    const answers = await this.#side.write(changes);
    if (fault === 'after') throw new Error('no answer within 2 s');
    return answers;
  }
}

/** Sends all there is, whatever failed before; gives up when nothing comes of it. */
export async function sendAll(relay: MirrorRelay): Promise<void> {
  for (let idle = 0; idle < 20; ) {
    const fresh = await relay.send('fresh');
    const again = await relay.send('failed');
    if (fresh.sent + again.sent === 0) return;
    idle = fresh.sent + again.sent > fresh.failed + again.failed ? 0 : idle + 1;
  }
  throw new Error('nothing gets through');
}

/** Each job of the store is in the mirror as it is here, and nothing else is. */
export async function expectSame(server: RedisServer, place: Mirrored): Promise<VerifyReport> {
  const link = await linkTo(server);
  const { store: sqlite, mirror } = place;
  const report = await verifyMirror({ sqlite, link, mirror, clock: systemClock, waitMs: 10_000 });
  expect(report).toMatchObject({ isEqual: true, differences: [] });
  return report;
}
