import { onTestFinished } from 'vitest';
import type { Next } from '../../../src/job/outcome.js';
import { systemClock } from '../../../src/platform/clock.js';
import { createLog } from '../../../src/platform/log.js';
import { openMendedStore } from '../../../src/store/care.js';
import type { Claim, TurnResult } from '../../../src/store/contract.js';
import type { LiveStore } from '../../../src/store/live-store.js';
import { createMoveWatch } from '../../../src/store/move.js';
import type { Move, MovePhase } from '../../../src/store/move-contract.js';
import { beginMove, changePhase, currentStore } from '../../../src/store/sqlite/move-book.js';
import { readMove } from '../../../src/store/sqlite/move-row.js';
import { admit, end, type RecordSpec } from '../../conformance/given.js';
import { tempFolder } from '../../support/temp-folder.js';
import { until } from '../../support/until.js';

export interface MovingOptions {
  readonly folder?: string;
  /** The `store` of its config. */
  readonly configured?: string | null;
  readonly site?: string;
  readonly groupLimit?: number;
  readonly leaseMs?: number;
}

/** A worker's store with what follows the row of a move beside it, as `dogged migrate` finds it. */
export interface MovingMachine {
  readonly folder: string;
  readonly store: LiveStore;
  readonly epoch: number;
  readonly chosenStore: string | null;
  /** Unforeseen: none may be left when it is closed. */
  readonly errors: unknown[];
  /** Key and attempt of all that it has begun. */
  readonly runs: string[];
  admit(records: readonly RecordSpec[]): ReturnType<typeof admit>;
  turn(claims?: readonly Claim[], freeSlots?: number, next?: Next): Promise<TurnResult>;
  /** Claims until there is something. */
  claim(freeSlots?: number): Promise<readonly Claim[]>;
  /** Runs all there is until `isDone`; ends that Redis cannot take are offered again. */
  work(isDone: () => Promise<boolean> | boolean, slots?: number): Promise<void>;
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
  const runs: string[] = [];
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
  const owner = { bootId: 'boot', pid: 1, startTicks: 1, nonce: `n-${Math.random()}` };
  const { epoch } = await store.takeOwnership(owner, Date.now());
  await store.configureTasks(
    ['default'],
    [
      { task: 'build', groupLimit, maxAttempts: 3 },
      { task: 'slow', groupLimit: null, maxAttempts: 3 },
    ],
  );
  moving.start(epoch);
  const move = () => store.sqlite.look(({ db }) => readMove(db));
  const current = () => store.sqlite.look(({ db }) => currentStore(db));
  const turn: MovingMachine['turn'] = async (claims = [], freeSlots = 0, next = { to: 'completed' }) => {
    const nowMs = Date.now();
    const result = await store.turn({
      ends: claims.map((claim) => end(claim, next, { startedAtMs: nowMs, endedAtMs: nowMs })),
      freeSlots,
      eligible: [
        { task: 'build', room: freeSlots },
        { task: 'slow', room: freeSlots },
      ],
      nowMs,
    });
    runs.push(...result.claims.map(({ key, attempt }) => `${key} ${attempt}`));
    return result;
  };
  return {
    folder,
    store,
    epoch,
    chosenStore,
    errors,
    runs,
    admit: (records) => {
      const nowMs = Date.now();
      return admit(
        store,
        records.map((record) => ({ runAtMs: nowMs, ...record })),
        { nowMs },
      );
    },
    turn,
    claim: (freeSlots = 1) =>
      until(async () => {
        const { claims } = await turn([], freeSlots);
        return claims.length > 0 ? claims : null;
      }),
    async work(isDone, slots = 10) {
      let running: readonly Claim[] = [];
      await until(
        async () => {
          try {
            const { claims } = await turn(running, slots);
            running = claims;
          } catch (error) {
            if ((error as { code?: string }).code !== 'REDIS_AWAY') throw error;
          }
          return running.length === 0 && (await isDone());
        },
        { withinMs: 30_000 },
      );
    },
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

export const keysOf = (count: number, prefix = 'k') =>
  Array.from({ length: count }, (_, n) => ({ key: `${prefix}${n}` }));

export const completed = (one: MovingMachine, count: number) => async () =>
  (await one.store.counts()).total.completed === count;
