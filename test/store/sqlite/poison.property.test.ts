import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ALONE_FROM_CRASHES } from '../../../src/job/job.js';
import type { RunOutcome } from '../../../src/job/outcome.js';
import { systemClock } from '../../../src/platform/clock.js';
import { decideNext } from '../../../src/policy/retry.js';
import type { Claim, End } from '../../../src/store/contract.js';
import type { Store } from '../../../src/store/engine.js';
import { openStore } from '../../../src/store/open.js';
import { admit, someOwner, T0, turn } from '../../conformance/given.js';

/** More by hand: DOGGED_MODEL_RUNS=2000 npx vitest run test/store/sqlite/poison */
const RUNS = Number(process.env['DOGGED_MODEL_RUNS'] ?? 30);
const RULES = { backoff: { minMs: 10, maxMs: 50 }, poisonAfter: 3 };

/** What happens to a worker. A poison job ends it as soon as it is `struck`; the innocent end by themselves. */
type Step =
  | { readonly do: 'end'; readonly nth: number; readonly fails: boolean }
  | { readonly do: 'strike' }
  /** The monitor takes the worker for stuck while several jobs run. */
  | { readonly do: 'recover' }
  | { readonly do: 'wait'; readonly ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('end' as const), nth: fc.nat(3), fails: fc.boolean() }),
  },
  { weight: 4, arbitrary: fc.constant({ do: 'strike' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'recover' as const }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(0, 20, 60) }) },
);

const isPoison = ({ key }: Claim) => key.startsWith('poison');

class World {
  store!: Store;
  nowMs = T0;
  running: Claim[] = [];
  kills = 0;
  readonly #folder: string;
  readonly #slots: number;

  constructor(folder: string, slots: number) {
    this.#folder = folder;
    this.#slots = slots;
  }

  async begin(): Promise<void> {
    this.store = await openStore(this.#folder, 'worker', systemClock);
    await this.store.takeOwnership(someOwner, this.nowMs);
    await this.store.configureTasks(['default'], [{ task: 'build', groupLimit: null, maxAttempts: 3 }]);
  }

  /** A turn as the loop takes it: it asks for nothing while a job runs alone. */
  async turn(ends: readonly End[] = []): Promise<void> {
    const runsAlone = this.running.some(({ crashes }) => crashes >= ALONE_FROM_CRASHES);
    const freeSlots = runsAlone ? 0 : this.#slots - this.running.length;
    const eligible = [{ task: 'build', room: freeSlots }];
    const { claims } = await turn(this.store, { ends, freeSlots, eligible, nowMs: this.nowMs });
    this.running.push(...claims);
    const suspects = this.running.filter(({ crashes }) => crashes >= ALONE_FROM_CRASHES);
    if (suspects.length > 0) expect(this.running).toHaveLength(1);
  }

  async end(nth: number, fails: boolean): Promise<void> {
    const innocent = this.running.filter((claim) => !isPoison(claim));
    const claim = innocent[nth % Math.max(1, innocent.length)];
    if (claim === undefined) return;
    this.running = this.running.filter((other) => other !== claim);
    const outcome: RunOutcome = fails ? { kind: 'failed', reason: 'exit 1' } : { kind: 'done', result: null };
    await this.turn([this.#endOf(claim, outcome)]);
  }

  /** The worker dies with all that it runs, and another takes up what is left. */
  async die(killedByUs: boolean): Promise<void> {
    this.kills += 1;
    const dead = this.running;
    this.running = [];
    await this.store.close();
    await this.begin();
    const orphans = await this.store.orphans();
    expect(orphans.map(({ claim }) => claim.id).sort()).toEqual(dead.map(({ id }) => id).sort());
    const ends = orphans.map(({ claim }) => {
      const ranAlone = claim.crashes >= ALONE_FROM_CRASHES || orphans.length === 1;
      return this.#endOf(claim, { kind: 'crashed', reason: 'died', ranAlone, killedByUs });
    });
    expect(await this.store.rescue(ends, this.nowMs)).toEqual(ends.map(() => 'recorded'));
    await this.turn();
  }

  async take(next: Step): Promise<void> {
    switch (next.do) {
      case 'end':
        return this.end(next.nth, next.fails);
      case 'strike':
        return this.running.some(isPoison) ? this.die(false) : this.turn();
      case 'recover':
        return this.running.length > 1 ? this.die(true) : this.turn();
      case 'wait':
        this.nowMs += next.ms;
        return this.turn();
    }
  }

  #endOf(claim: Claim, outcome: RunOutcome): End {
    const report = {
      outcome,
      startedAtMs: this.nowMs,
      endedAtMs: this.nowMs,
      exitCode: null,
      signal: null,
      stdout: null,
      stderr: null,
    };
    return {
      claim,
      report,
      next: decideNext(outcome, claim, RULES, { nowMs: this.nowMs, random: 0.5 }),
    };
  }
}

it(
  'whatever dies when, each poison job ends as the one dead letter that it is, and no innocent one for poison',
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 40 }),
        fc.integer({ min: 1, max: 4 }),
        fc.shuffledSubarray(['poison 1', 'poison 2', 'a', 'b', 'c', 'd', 'e'], { minLength: 1 }),
        async (steps, slots, keys) => {
          const folder = mkdtempSync(join(tmpdir(), 'dogged-poison-'));
          const world = new World(folder, slots);
          try {
            await world.begin();
            await admit(
              world.store,
              keys.map((key) => ({ key })),
            );
            await world.turn();
            for (const next of steps) await world.take(next);
            // Then nothing else happens but what poison does, and the rest is done.
            const strikesBefore = world.kills;
            for (let n = 0; !(await allEnded(world.store)); n += 1) {
              expect(n).toBeLessThan(200);
              world.nowMs += 60;
              await world.turn();
              if (world.running.some(isPoison)) await world.die(false);
              else await world.end(0, false);
            }
            const poison = keys.filter((key) => key.startsWith('poison'));
            expect(world.kills - strikesBefore).toBeLessThanOrEqual(3 * poison.length);
            const letters = await world.store.list({ states: ['failed'], limit: 99 });
            const poisoned = letters.filter(({ reason }) => reason === 'poison').map(({ key }) => key);
            expect(poisoned.sort()).toEqual(poison.sort());
            for (const { id, attempts } of await world.store.list({ limit: 99 })) {
              const job = await world.store.get(null, id);
              expect(job?.history.filter(({ kind }) => kind === 'attempt')).toHaveLength(attempts);
            }
          } finally {
            await world.store.close();
            rmSync(folder, { recursive: true });
          }
        },
      ),
      { numRuns: RUNS },
    );
  },
  30_000 + RUNS * 3_000,
);

async function allEnded(store: Store): Promise<boolean> {
  const { total } = await store.counts();
  return total.scheduled + total.ready + total.parked + total.running === 0;
}
