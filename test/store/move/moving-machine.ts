import { onTestFinished } from 'vitest';
import { systemClock } from '../../../src/platform/clock.js';
import { createLog } from '../../../src/platform/log.js';
import { openMendedStore } from '../../../src/store/care.js';
import type { LiveStore } from '../../../src/store/live-store.js';
import { createMoveWatch } from '../../../src/store/move.js';
import type { Move, MovePhase } from '../../../src/store/move-contract.js';
import { beginMove, changePhase, currentStore } from '../../../src/store/sqlite/move-book.js';
import { readMove } from '../../../src/store/sqlite/move-row.js';
import { tempFolder } from '../../support/temp-folder.js';
import { until } from '../../support/until.js';
import { type Driver, drive } from '../bullmq/driver.js';

export { completed, keysOf } from '../bullmq/driver.js';

export interface MovingOptions {
  readonly folder?: string;
  /** The `store` of its config. */
  readonly configured?: string | null;
  readonly site?: string;
  readonly groupLimit?: number;
  readonly leaseMs?: number;
}

/** A worker's store with what follows the row of a move beside it, as `dogged migrate` finds it. */
export interface MovingMachine extends Driver {
  readonly folder: string;
  readonly store: LiveStore;
  readonly chosenStore: string | null;
  /** Unforeseen: none may be left when it is closed. */
  readonly errors: unknown[];
  move(): Promise<Move | null>;
  current(): Promise<string>;
  begin(target: string, phase: MovePhase, source?: string): Promise<void>;
  ask(from: MovePhase, to: MovePhase): Promise<void>;
  /** Until the jobs run through this store, and the move says so. */
  untilIn(store: string): Promise<void>;
  close(): Promise<void>;
}

export async function movingMachine(options: MovingOptions = {}): Promise<MovingMachine> {
  const {
    folder = tempFolder(),
    configured = null,
    site = 'here',
    groupLimit = null,
    leaseMs = 30_000,
  } = options;
  const errors: unknown[] = [];
  const settings = {
    site,
    sharedSources: [],
    leaseMs,
    poisonAfter: 3,
    reconcileMs: 300_000,
    fleetConcurrency: [],
  };
  const events = { onRemoteError: (error: unknown) => void errors.push(error) };
  const { store, chosenStore } = await openMendedStore(
    folder,
    systemClock,
    { onDamage: (error) => errors.push(error), onStorage: () => undefined },
    { url: configured, settings, events },
  );
  const log = createLog('silent');
  const moving = createMoveWatch({
    live: store,
    configured,
    settings,
    events,
    onStore: () => undefined,
    mirrorEvents: { onResult: () => undefined, onMirrorError: (error) => void errors.push(error) },
    clock: systemClock,
    log,
  });
  let isClosed = false;
  const close = async () => {
    if (isClosed) return;
    isClosed = true;
    await moving.close();
    await store.close();
    if (errors.length > 0) throw errors.splice(0)[0];
  };
  onTestFinished(close);
  const driver = await drive(store, groupLimit);
  moving.start(driver.epoch);
  const move = () => store.sqlite.look(({ db }) => readMove(db));
  const current = () => store.sqlite.look(({ db }) => currentStore(db));
  return {
    ...driver,
    folder,
    store,
    chosenStore,
    errors,
    move,
    current,
    begin: (target, phase, source = 'sqlite') =>
      store.sqlite.within(({ db }) => beginMove(db, { target, source, phase, startedAtMs: Date.now() })),
    async ask(from, to) {
      if (!(await store.sqlite.within(({ db }) => changePhase(db, from, to)))) {
        throw new Error(`the move is not in ${from}: ${JSON.stringify(await move())}`);
      }
    },
    untilIn: async (name) => {
      let last = '';
      await until(
        async () => {
          const row = await move();
          last = JSON.stringify({ ...row, current: await current() });
          return (
            (await current()) === name &&
            row?.phase !== 'cutover' &&
            row?.phase !== 'return' &&
            row?.phase !== 'ending'
          );
        },
        { withinMs: 20_000, describe: () => last },
      );
    },
    close,
  };
}

/** One whose jobs have gone to that Redis. */
export async function movedTo(url: string, options: MovingOptions = {}): Promise<MovingMachine> {
  const one = await movingMachine(options);
  await one.begin(url, 'cutover');
  await one.untilIn(url);
  return one;
}

export async function jobNamed(one: MovingMachine, key: string) {
  const found = (await one.store.list({ limit: 1_000 })).find((job) => job.key === key);
  if (found === undefined) throw new Error(`no job ${key}`);
  const job = await one.store.get(null, found.id);
  if (job === null) throw new Error(`no job ${key}`);
  return job;
}
