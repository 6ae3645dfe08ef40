import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Next } from '../../../src/job/outcome.js';
import { systemClock } from '../../../src/platform/clock.js';
import { openForWorker } from '../../../src/store/bullmq/open.js';
import type { RemoteSettings } from '../../../src/store/bullmq/settings.js';
import type { Claim, TurnResult } from '../../../src/store/contract.js';
import type { Store } from '../../../src/store/engine.js';
import { openSqliteStore } from '../../../src/store/sqlite/open.js';
import { admit, end, type RecordSpec } from '../../conformance/given.js';
import { tempFolder } from '../../support/temp-folder.js';
import { until } from '../../support/until.js';

const page = readFileSync(join(import.meta.dirname, '../../../docs/scale-out.md'), 'utf8');

/** Keys and commands that a user of Redis has to be allowed, as docs/scale-out.md says it. */
export const ALLOWED =
  /ACL SETUSER dogged on '>[^']+' (.*)/
    .exec(page)?.[1]
    ?.split(' ')
    .map((rule) => rule.replaceAll("'", '')) ?? [];

export interface MachineOptions extends Partial<Omit<RemoteSettings, 'url'>> {
  /** Of a machine that was there before. */
  readonly folder?: string;
  readonly groupLimit?: number;
}

/** One machine: a state folder of its own and a worker's store on a Redis that others may share. */
export interface Machine {
  readonly folder: string;
  readonly store: Store;
  readonly epoch: number;
  /** What Redis was said to suffer from, in order; null: all is well. */
  readonly problems: (string | null)[];
  /** What went wrong unforeseen: none may be left when it is closed. */
  readonly errors: unknown[];
  /** What its log was told beside. */
  readonly warnings: string[];
  /** Key and attempt of all that it has begun. */
  readonly runs: string[];
  admit(records: readonly RecordSpec[]): ReturnType<typeof admit>;
  /** As the dispatcher takes it. */
  turn(claims?: readonly Claim[], freeSlots?: number, next?: Next): Promise<TurnResult>;
  /** Claims until there is something; fails when there is nothing. */
  claim(freeSlots?: number): Promise<readonly Claim[]>;
  /** Runs all there is until `isDone`; ends that Redis cannot take are offered again. */
  work(isDone: () => Promise<boolean> | boolean, slots?: number): Promise<void>;
  close(): Promise<void>;
}

export async function machine(url: string, options: MachineOptions = {}): Promise<Machine> {
  const { folder = tempFolder(), groupLimit, ...settings } = options;
  const problems: (string | null)[] = [];
  const runs: string[] = [];
  const warnings: string[] = [];
  const errors: unknown[] = [];
  const sqlite = await openSqliteStore(folder, 'worker', systemClock);
  const store = await openForWorker(
    sqlite,
    {
      url,
      site: 'here',
      sharedSources: [],
      leaseMs: 30_000,
      poisonAfter: 3,
      reconcileMs: 300_000,
      fleetConcurrency: [],
      ...settings,
    },
    {
      onRemote: (problem) => problems.push(problem),
      onRemoteError: (error) => errors.push(error),
      onRemoteWarning: (text) => warnings.push(text),
    },
    systemClock,
  );
  let isClosed = false;
  const close = async () => {
    if (isClosed) return;
    isClosed = true;
    await store.close();
    if (errors.length > 0) throw errors.splice(0)[0];
  };
  onTestFinished(close);
  const owner = { bootId: 'boot', pid: 1, startTicks: 1, nonce: `n-${Math.random()}` };
  const { epoch } = await store.takeOwnership(owner, Date.now());
  await store.configureTasks(
    ['default'],
    [
      { task: 'build', groupLimit: groupLimit ?? null, maxAttempts: 3 },
      { task: 'slow', groupLimit: null, maxAttempts: 3 },
    ],
  );
  const turn: Machine['turn'] = async (claims = [], freeSlots = 0, next = { to: 'completed' }) => {
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
    problems,
    runs,
    warnings,
    errors,
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
    close,
  };
}

export const keysOf = (count: number, prefix = 'k') =>
  Array.from({ length: count }, (_, n) => ({ key: `${prefix}${n}` }));

/** True once so many jobs of this machine have completed. */
export const completed = (one: Machine, count: number) => async () =>
  (await one.store.counts()).total.completed === count;
