import { describe, expect, it, onTestFinished } from 'vitest';
import type { Claim } from '../../../src/store/contract.js';
import { end, retryAt } from '../../conformance/given.js';
import { hasRedis, NO_REDIS, startRedis } from '../../support/redis-server.js';
import { until } from '../../support/until.js';
import { keysOf, type Machine, machine } from './machine.js';

const JOBS = 60;
const FAULTS = 8;
const OPTIONS = { leaseMs: 1_000, groupLimit: 3, poisonAfter: 50 };

/** Numbers from a seed, so that what fails can be had again. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

/** A machine as its worker drives it: it claims, ends, fails now and then, and takes up what it left when it died. */
class Station {
  readonly #open: () => Promise<Machine>;
  readonly #random: () => number;
  one: Machine;
  #running: readonly Claim[] = [];

  constructor(one: Machine, open: () => Promise<Machine>, random: () => number) {
    this.one = one;
    this.#open = open;
    this.#random = random;
  }

  async step(slots: number): Promise<void> {
    const over = this.#running.filter(() => this.#random() < 0.6);
    const next = this.#random() < 0.2 ? retryAt(Date.now()) : undefined;
    try {
      const { claims, cancelRequests } = await this.one.turn(over, slots, next);
      const stopped = new Set(cancelRequests);
      this.#running = [...this.#running.filter((claim) => !over.includes(claim)), ...claims];
      const lost = this.#running.filter(({ id }) => stopped.has(id));
      if (lost.length > 0) await this.one.turn(lost);
      this.#running = this.#running.filter((claim) => !lost.includes(claim));
    } catch (error) {
      if ((error as { code?: string }).code !== 'REDIS_AWAY') throw error;
    }
  }

  /** Its worker dies; what it ran is left to the next. */
  async die(): Promise<void> {
    await this.one.close();
    this.#running = [];
    this.one = await this.#open();
    const orphans = await this.one.store.orphans();
    const crash = { kind: 'crashed', reason: 'died', ranAlone: false, killedByUs: true } as const;
    const ends = orphans.map(({ claim }) =>
      end(claim, retryAt(Date.now(), { charged: false }), {
        outcome: crash,
        exitCode: null,
        startedAtMs: Date.now(),
        endedAtMs: Date.now(),
      }),
    );
    await until(() =>
      this.one.store.rescue(ends, Date.now()).then(
        () => true,
        () => false,
      ),
    );
  }
}

describe.skipIf(!hasRedis())(
  `whatever befalls Redis and machines${hasRedis() ? '' : ` (skipped: ${NO_REDIS})`}`,
  () => {
    const seed = Number(process.env['DOGGED_SEED'] ?? Math.floor(Math.random() * 1e9));

    it(`each job comes to one end (DOGGED_SEED=${seed})`, {
      timeout: 120_000,
    }, async () => {
      const random = numbers(seed);
      const server = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always']);
      onTestFinished(() => server.stop());
      const stations = await Promise.all(
        ['a', 'b', 'c'].map(async (site) => {
          const one = await machine(server.url, { site, ...OPTIONS });
          return new Station(
            one,
            () => machine(server.url, { site, folder: one.folder, ...OPTIONS }),
            random,
          );
        }),
      );
      for (const [n, { one }] of stations.entries()) {
        const records = keysOf(JOBS, `${n}-`);
        await one.admit(records.map((record, m) => ({ ...record, group: m % 3 === 0 ? 'g' : null })));
      }

      let faults = FAULTS;
      const done = async () => {
        const totals = await Promise.all(stations.map(({ one }) => one.store.counts()));
        return totals.every(({ total }) => total.completed === JOBS);
      };
      const befall = async () => {
        faults -= 1;
        const kind = Math.floor(random() * 5);
        if (kind === 0) server.freeze();
        if (kind === 0) setTimeout(() => server.thaw(), 300 + random() * 2_500);
        if (kind === 1) await server.kill();
        if (kind === 1) await server.start();
        if (kind === 2) await server.client.flushall();
        const station = stations[Math.floor(random() * stations.length)];
        if (kind >= 3) await station?.die();
      };
      await until(
        async () => {
          if (faults > 0 && random() < 0.08) await befall();
          await Promise.all(stations.map((station) => station.step(4)));
          return faults === 0 && (await done());
        },
        { withinMs: 90_000, describe: () => `seed ${seed}` },
      );

      for (const { one } of stations) {
        const jobs = await one.store.list({ limit: 1_000 });
        expect(jobs).toHaveLength(JOBS);
        for (const { id } of jobs) {
          const job = await one.store.get(null, id);
          const ends = (job?.history ?? []).filter(
            (entry) => entry.kind === 'attempt' && entry.outcome === 'done',
          );
          expect([job?.place, ends.length], `seed ${seed}: ${JSON.stringify(job?.history)}`).toEqual([
            'completed',
            1,
          ]);
        }
        expect((await one.store.counts()).outbox).toMatchObject({ waiting: 0, elsewhere: 0, guests: [] });
      }
    });
  },
);
