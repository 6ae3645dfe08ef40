import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../src/platform/clock.js';
import { openStore } from '../../src/store/open.js';
import type { Outage } from '../../src/store/read-contract.js';
import { admitJob, commandTask, createRig } from '../dispatch/rig.js';
import { startWorkerProcess } from '../dispatch/worker-process.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';

/*
 * A screen said "ONGOING (2d 14h)", and everything worked. The outage was a record of its own, closed only by the
 * breaker's step from half-open to closed. The program was restarted while the breaker was open; it came up with a closed
 * one, as it always did, and the step that would have closed the record never came.
 */

describe('the old logic', () => {
  interface Record {
    readonly since: number;
    until: number | null;
  }

  /** What survives a restart. */
  class OldStore {
    readonly outages: Record[] = [];
  }

  class OldBreaker {
    #state: 'closed' | 'open' | 'half-open' = 'closed';
    readonly #store: OldStore;

    constructor(store: OldStore) {
      this.#store = store;
    }

    fail(now: number): void {
      if (this.#state !== 'closed') return;
      this.#state = 'open';
      this.#store.outages.push({ since: now, until: null });
    }

    coolDown(): void {
      this.#state = 'half-open';
    }

    succeed(now: number): void {
      if (this.#state === 'half-open') {
        const last = this.#store.outages.at(-1);
        if (last !== undefined) last.until = now;
      }
      this.#state = 'closed';
    }

    get state(): string {
      return this.#state;
    }
  }

  const ongoing = (store: OldStore) => store.outages.filter(({ until: end }) => end === null);

  test('closes its record as long as nothing interrupts it', () => {
    const store = new OldStore();
    const breaker = new OldBreaker(store);
    breaker.fail(1);
    breaker.coolDown();
    breaker.succeed(2);
    expect(ongoing(store)).toEqual([]);
  });

  test('restarted while it is open, tells for days of an outage that is over', () => {
    const store = new OldStore();
    new OldBreaker(store).fail(1);
    const afterRestart = new OldBreaker(store);
    for (let hour = 2; hour < 64; hour += 1) afterRestart.succeed(hour);
    expect(afterRestart.state).toBe('closed');
    expect(ongoing(store)).toEqual([{ since: 1, until: null }]);
  });
});

/** Away until `up` is there. A budget of one: a job that was charged would be dead. */
const TASK = commandTask(
  'work',
  ['sh', '-c', 'echo x >> runs; [ -e up ] || { echo "no model" >&2; exit 69; }'],
  {
    retry: { attempts: 1, backoff: { minMs: 5, maxMs: 20 } },
    breaker: { dependency: 'model', after: 3, cooldownMs: 150, probe: null },
  },
);
const JOBS = 6;

interface Look {
  /** What a person is told, and what the breaker is, read at one moment. */
  readonly ongoing: readonly Outage[];
  readonly openBreakers: readonly string[];
  readonly all: readonly Outage[];
}

async function look(folder: string): Promise<Look> {
  const store = await openStore(join(folder, 'state'), 'read', systemClock);
  try {
    const [all, { outages: ongoing }, breakers] = [
      await store.outages(99),
      await store.counts(),
      await store.breakers(),
    ];
    const openBreakers = breakers
      .filter(({ retryAtMs }) => retryAtMs !== null)
      .map(({ dependency }) => dependency);
    return { ongoing, openBreakers, all };
  } finally {
    await store.close();
  }
}

/** Nobody writes meanwhile: what is told is what the breaker is. */
function expectTrue({ ongoing, openBreakers, all }: Look): void {
  expect(ongoing.map(({ dependency }) => dependency)).toEqual(openBreakers);
  expect(all.filter(({ untilMs }) => untilMs === null)).toEqual(ongoing);
  for (const { untilMs, sinceMs, evidence } of all) {
    if (untilMs === null) continue;
    expect(untilMs).toBeGreaterThanOrEqual(sinceMs);
    expect(evidence).toMatch(/^job \d+ completed$/);
  }
}

async function addJobs(folder: string): Promise<string[]> {
  const store = await openStore(join(folder, 'state'), 'command', systemClock);
  const ids: string[] = [];
  for (let n = 0; n < JOBS; n += 1) ids.push(await admitJob(store, 'work', { n }, { maxAttempts: 1 }));
  await store.close();
  return ids;
}

/** A worker that comes after the last one: it must find its way to the end of every job and of the outage. */
async function finish(folder: string, ids: readonly string[]): Promise<void> {
  writeFileSync(join(folder, 'up'), '');
  const rig = await createRig({ tasks: [TASK], folder, slots: 2 });
  await rig.dispatcher.rescue();
  rig.dispatcher.start();
  for (const id of ids) expect(await rig.until(id, 'completed')).toMatchObject({ charged: 0 });
  await until(() => rig.dispatcher.drained());
  const after = await look(folder);
  expectTrue(after);
  expect(after.ongoing).toEqual([]);
  expect(new Set(after.all.map(({ id }) => id)).size).toBe(after.all.length);
}

function runsIn(folder: string): number {
  const path = join(folder, 'runs');
  return existsSync(path) ? readFileSync(path, 'utf8').length / 2 : 0;
}

describe('now', () => {
  /** How many outages went on when a worker was killed, on the way down and up. */
  const seen = { down: new Set<number>(), up: new Set<number>() };

  test('a restart while the breaker is open leaves it open; the outage ends when something has worked', async () => {
    const folder = tempFolder();
    const ids = await addJobs(folder);
    const first = await createRig({ tasks: [TASK], folder, slots: 2 });
    first.dispatcher.start();
    await until(async () => (await first.store.counts()).outages.length > 0);
    await first.dispatcher.stop(1_000);
    await first.store.close();
    const before = await look(folder);
    expectTrue(before);
    expect(before.ongoing).toMatchObject([{ dependency: 'model', held: JOBS }]);

    await finish(folder, ids);
    expect((await look(folder)).all).toMatchObject([
      { id: before.ongoing[0]?.id, sinceMs: before.ongoing[0]?.sinceMs },
    ]);
  });

  test('what is told cannot differ from the breaker: without it, there is nothing left to tell', async () => {
    const folder = tempFolder();
    await addJobs(folder);
    const rig = await createRig({ tasks: [TASK], folder, slots: 2 });
    rig.dispatcher.start();
    await until(async () => (await rig.store.counts()).outages.length > 0);
    await rig.dispatcher.stop(1_000);
    // As by a defect of ours, or by hand: the breaker is at rest again, and nobody closed anything.
    const { default: SqliteDatabase } = await import('better-sqlite3');
    const db = new SqliteDatabase(join(folder, 'state', 'dogged.db'));
    db.exec('DELETE FROM breakers');
    db.close();
    await rig.store.close();
    const found = await look(folder);
    expect(found.ongoing).toEqual([]);
    expect(found.all.filter(({ untilMs }) => untilMs === null)).toEqual([]);
  });

  // The turns of a worker from its first claim to well after the breaker opened and was tried in vain.
  const turns = Array.from({ length: 8 }, (_, n) => n + 1);
  test.each(turns.flatMap((n) => [`turn.before-commit:${n}`, `turn.after-commit:${n}`]))(
    'killed at %s, on the way down, it tells the truth, and all comes right',
    async (failpoint) => {
      const folder = tempFolder();
      const ids = await addJobs(folder);
      const worker = await startWorkerProcess(folder, [TASK], { slots: 2, failpoint });
      await worker.ended;
      expect(worker.stderr()).toContain('failpoint turn.');
      const found = await look(folder);
      expectTrue(found);
      seen.down.add(found.ongoing.length);
      await finish(folder, ids);
    },
  );

  test.each(
    [1, 2, 3].flatMap((n) =>
      [
        'turn.before-commit',
        'turn.after-commit',
        'run.before-spawn',
        'run.after-spawn',
        'run.after-exit',
      ].map((name) => `${name}:${n}`),
    ),
  )('killed at %s, on the way up, it tells the truth, and all comes right', async (failpoint) => {
    const folder = tempFolder();
    const ids = await addJobs(folder);
    const first = await createRig({ tasks: [TASK], folder, slots: 2 });
    first.dispatcher.start();
    await until(async () => (await first.store.counts()).outages.length > 0);
    await first.dispatcher.stop(0);
    await first.store.close();
    const { ongoing } = await look(folder);
    const runs = runsIn(folder);

    writeFileSync(join(folder, 'up'), '');
    const worker = await startWorkerProcess(folder, [TASK], { slots: 2, failpoint });
    await worker.ended;
    const found = await look(folder);
    expectTrue(found);
    seen.up.add(found.ongoing.length);
    // Whichever side of the commit it died on: one outage, still the same.
    expect(found.all.map(({ id }) => id)).toEqual(ongoing.map(({ id }) => id));
    expect(runsIn(folder)).toBeGreaterThanOrEqual(runs);
    await finish(folder, ids);
    expect((await look(folder)).all).toHaveLength(1);
  });

  test('those kills lay on both sides of the opening, and of the closing', () => {
    expect(seen).toEqual({ down: new Set([0, 1]), up: new Set([1, 0]) });
  });
});
