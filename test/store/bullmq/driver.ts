import type { Next } from '../../../src/job/outcome.js';
import type { Claim, TurnResult } from '../../../src/store/contract.js';
import type { Store } from '../../../src/store/engine.js';
import { admit, end, type RecordSpec } from '../../conformance/given.js';
import { until } from '../../support/until.js';

/** Drives a store as a worker does. */
export interface Driver {
  readonly epoch: number;
  /** Key and attempt of all that it has begun. */
  readonly runs: string[];
  admit(records: readonly RecordSpec[]): ReturnType<typeof admit>;
  /** As the dispatcher takes it. */
  turn(claims?: readonly Claim[], freeSlots?: number, next?: Next): Promise<TurnResult>;
  /** Claims until there is something; fails when there is nothing. */
  claim(freeSlots?: number): Promise<readonly Claim[]>;
  /** Runs all there is until `isDone`; ends that Redis cannot take are offered again. */
  work(isDone: () => Promise<boolean> | boolean, slots?: number): Promise<void>;
}

export async function drive(store: Store, groupLimit: number | null): Promise<Driver> {
  const runs: string[] = [];
  const owner = { bootId: 'boot', pid: 1, startTicks: 1, nonce: `n-${Math.random()}` };
  const { epoch } = await store.takeOwnership(owner, Date.now());
  await store.configureTasks(
    ['default'],
    [
      { task: 'build', groupLimit, maxAttempts: 3 },
      { task: 'slow', groupLimit: null, maxAttempts: 3 },
    ],
  );
  const turn: Driver['turn'] = async (claims = [], freeSlots = 0, next = { to: 'completed' }) => {
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
    epoch,
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
  };
}

export const keysOf = (count: number, prefix = 'k') =>
  Array.from({ length: count }, (_, n) => ({ key: `${prefix}${n}` }));

/** True once so many jobs of this machine have completed. */
export const completed = (one: { readonly store: Store }, count: number) => async () =>
  (await one.store.counts()).total.completed === count;
