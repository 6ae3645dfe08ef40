import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import SqliteDatabase, { type Database } from 'better-sqlite3';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { PLACES } from '../../../src/job/job.js';
import type { Next } from '../../../src/job/outcome.js';
import { systemClock } from '../../../src/platform/clock.js';
import type { Claim } from '../../../src/store/contract.js';
import type { Store } from '../../../src/store/engine.js';
import type { Scope } from '../../../src/store/intake-contract.js';
import { openStore } from '../../../src/store/open.js';
import { admit, end, type RecordSpec, retryAt, someOwner, T0, turn } from '../../conformance/given.js';

/** More by hand: DOGGED_MODEL_RUNS=2000 npx vitest run test/store/sqlite/places */
const RUNS = Number(process.env['DOGGED_MODEL_RUNS'] ?? 30);

/** What happens to a store, with everything that can decide a job's place: few keys and groups, so that they meet. */
type Step =
  | { readonly do: 'admit'; readonly records: readonly RecordSpec[] }
  | {
      readonly do: 'plan';
      readonly records: readonly RecordSpec[];
      readonly missed: readonly string[];
    }
  | { readonly do: 'turn'; readonly ends: readonly Next[]; readonly freeSlots: number }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'cancel' | 'redrive'; readonly ids: readonly number[] }
  | { readonly do: 'limit'; readonly limit: number | null }
  | { readonly do: 'prune'; readonly limit: number }
  | { readonly do: 'pause'; readonly paused: boolean }
  | { readonly do: 'new owner'; readonly clean: boolean; readonly rescued: Next };

const recordSpec: fc.Arbitrary<RecordSpec> = fc.record({
  key: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
  content: fc.constantFrom('1', '2', '3'),
  onChange: fc.constantFrom('ignore', 'rerun', 'rerun'),
  task: fc.constantFrom('build', 'build', 'slow'),
  group: fc.constantFrom(null, 'g', 'g', 'h'),
  priority: fc.integer({ min: -2, max: 2 }),
  runAtMs: fc.constantFrom(T0 - 50, T0, T0 + 40),
  expiresAtMs: fc.constantFrom(null, null, T0 + 60),
});
const KEYS_OF_PLAN = ['p', 'q'] as const;
/** A whole plan at one moment: what it has no longer is withdrawn, what it has anew is held against what ran. */
const planStep: fc.Arbitrary<Step> = fc.record({
  do: fc.constant('plan' as const),
  records: fc.uniqueArray(
    fc.record({
      key: fc.constantFrom(...KEYS_OF_PLAN),
      content: fc.constantFrom('1', '2', '3'),
      onChange: fc.constant('replan' as const),
      group: fc.constantFrom(null, 'g'),
      runAtMs: fc.constantFrom(T0 - 50, T0 - 50, T0, T0 + 90),
      expiresAtMs: fc.constantFrom(null, null, T0 - 10, T0 + 60),
    }),
    { maxLength: 2, selector: ({ key }) => key },
  ),
  missed: fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.subarray([...KEYS_OF_PLAN], { minLength: 1, maxLength: 1 }) },
  ),
});
const next: fc.Arbitrary<Next> = fc.oneof(
  fc.constant<Next>({ to: 'completed' }),
  fc.constant<Next>({ to: 'failed', reason: 'x' }),
  fc.constant<Next>({ to: 'cancelled', reason: 'x' }),
  fc.constantFrom(0, 30).map((delayMs) => retryAt(T0 + delayMs)),
);
const ids = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 4 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('admit' as const),
      records: fc.array(recordSpec, { minLength: 1, maxLength: 5 }),
    }),
  },
  { weight: 4, arbitrary: planStep },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('turn' as const),
      ends: fc.array(next, { maxLength: 3 }),
      freeSlots: fc.integer({ min: 0, max: 4 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(10, 35, 70) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('cancel' as const, 'redrive' as const), ids }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('limit' as const), limit: fc.constantFrom(1, 2, 3, null) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('prune' as const), limit: fc.integer({ min: 1, max: 5 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pause' as const), paused: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('new owner' as const), clean: fc.boolean(), rescued: next }),
  },
);

const PLAN: Scope = { workspace: 'default', kind: 'source', name: 'shows' };

interface World {
  readonly folder: string;
  store: Store;
  nowMs: number;
  running: Claim[];
}

const openWorker = (folder: string) => openStore(folder, 'worker', systemClock);

const configure = (store: Store, limit: number | null) =>
  store.configureTasks(
    ['default'],
    [
      { task: 'build', groupLimit: limit, maxAttempts: 3 },
      { task: 'slow', groupLimit: 1, maxAttempts: 3 },
    ],
  );

async function take(world: World, step: Step): Promise<void> {
  const { store, nowMs } = world;
  switch (step.do) {
    case 'admit':
      await admit(store, step.records, { nowMs });
      return;
    case 'plan': {
      const missed = step.missed.map((key) => ({ key, reason: 'nobody was there' }));
      const plan = { keys: step.records.map(({ key }) => key), series: [], missed };
      await admit(store, step.records, { scope: PLAN, plan, nowMs });
      return;
    }
    case 'turn': {
      const ending = world.running.splice(0, step.ends.length);
      const ends = ending.map((claim, n) => end(claim, step.ends[n], { endedAtMs: nowMs }));
      const result = await turn(store, { ends, freeSlots: step.freeSlots, nowMs });
      expect(result.ends).toEqual(ends.map(() => 'recorded'));
      expect(result.claims.length).toBeLessThanOrEqual(step.freeSlots);
      world.running.push(...result.claims);
      return;
    }
    case 'wait':
      world.nowMs += step.ms;
      return;
    case 'cancel':
    case 'redrive':
      await store[step.do]('default', step.ids.map(String), nowMs);
      return;
    case 'limit':
      await configure(store, step.limit);
      return;
    case 'prune':
      await store.prune(nowMs, step.limit);
      return;
    case 'pause':
      await store.setPaused('default', 'build', step.paused, nowMs);
      return;
    case 'new owner': {
      if (step.clean) {
        await store.releaseOwnership((await store.takeOwnership(someOwner, nowMs)).epoch, nowMs);
      }
      await store.close();
      world.store = await openWorker(world.folder);
      await world.store.takeOwnership(someOwner, nowMs);
      const orphans = await world.store.orphans();
      expect(orphans.map(({ claim }) => claim.id)).toEqual(
        world.running.map(({ id }) => id).sort((a, b) => Number(a) - Number(b)),
      );
      const ends = orphans.map(({ claim }) => end(claim, step.rescued, { endedAtMs: nowMs }));
      expect(await world.store.rescue(ends, nowMs)).toEqual(ends.map(() => 'recorded'));
      world.running = [];
    }
  }
}

const WAITING = `place <= ${PLACES.parked}`;
const HOLDING = `place IN (${PLACES.ready}, ${PLACES.running})`;
const PARKED_BY_GROUP = `place = ${PLACES.parked} AND after_job IS NULL`;

/** What must be true between any two transactions. Each query lists what breaks it. */
const BREACHES: Readonly<Record<string, string>> = {
  'a tally differs from the rows that it counts': `
    SELECT * FROM (
      SELECT queue_id, place, sum(counted) AS counted, sum(tallied) AS tallied FROM (
        SELECT queue_id, place, count(*) AS counted, 0 AS tallied FROM jobs GROUP BY queue_id, place
        UNION ALL SELECT queue_id, place, 0, jobs FROM tallies
      ) GROUP BY queue_id, place
    ) WHERE counted <> tallied`,
  'the permits of a group differ from its ready and running jobs': `
    SELECT * FROM (
      SELECT queue_id, name, sum(counted) AS counted, sum(held) AS held FROM (
        SELECT queue_id, group_name AS name, count(*) AS counted, 0 AS held FROM jobs
        WHERE ${HOLDING} AND group_name IS NOT NULL GROUP BY queue_id, group_name
        UNION ALL SELECT queue_id, name, 0, held FROM groups
      ) GROUP BY queue_id, name
    ) WHERE counted <> held`,
  'a group has jobs ready beyond its limit': `
    SELECT g.*, t.group_limit FROM groups g JOIN queues q ON q.id = g.queue_id JOIN tasks t USING (task)
    WHERE g.held > t.group_limit AND EXISTS (
      SELECT 1 FROM jobs j WHERE j.place = ${PLACES.ready} AND j.queue_id = g.queue_id AND j.group_name = g.name
    )`,
  'a job is parked though its group has room': `
    SELECT j.id FROM jobs j JOIN queues q ON q.id = j.queue_id JOIN tasks t USING (task)
    LEFT JOIN groups g ON g.queue_id = j.queue_id AND g.name = j.group_name
    WHERE ${PARKED_BY_GROUP} AND (
      j.group_name IS NULL OR t.group_limit IS NULL OR coalesce(g.held, 0) < t.group_limit
    )`,
  'a job waits for another that does not run': `
    SELECT j.id FROM jobs j LEFT JOIN jobs other ON other.id = j.after_job
    WHERE j.${WAITING} AND j.after_job IS NOT NULL AND (other.place IS NULL OR other.place <> ${PLACES.running})`,
  'two jobs of one record run or may run at once': `
    SELECT key, count(*) FROM jobs WHERE ${HOLDING} OR ${PARKED_BY_GROUP} OR place = ${PLACES.scheduled}
    GROUP BY scope_id, key HAVING count(*) > 1`,
  'a record has no job, and none that was pruned': `
    SELECT job_id FROM records WHERE settled IS NULL AND job_id NOT IN (SELECT id FROM jobs)`,
  'a job that has not ended is not the one of its record, nor the one before it': `
    SELECT id FROM jobs WHERE place <= ${PLACES.running} AND id NOT IN (SELECT job_id FROM records)
      AND id NOT IN (SELECT after_job FROM jobs WHERE after_job IS NOT NULL)`,
  'a job has another number of ended attempts than it counts': `
    SELECT j.id FROM jobs j
    WHERE j.attempt - (j.place = ${PLACES.running}) <> (SELECT count(*) FROM attempts a WHERE a.job_id = j.id)`,
  'a running job does not say since when': `
    SELECT id FROM jobs WHERE place = ${PLACES.running} AND (started_at IS NULL OR attempt = 0 OR epoch = 0)`,
  'an ended job has no end, or one that waits has': `
    SELECT id FROM jobs WHERE (place > ${PLACES.running}) <> (ended_at IS NOT NULL)`,
  'the counter of records differs from the ledger': `
    SELECT s.id FROM scopes s WHERE s.records <> (SELECT count(*) FROM records r WHERE r.scope_id = s.id)`,
  'a tally of records differs from where their last jobs stand': `
    SELECT * FROM (
      SELECT scope_id, place, sum(counted) AS counted, sum(tallied) AS tallied FROM (
        SELECT r.scope_id, max(coalesce(j.place, r.settled), ${PLACES.parked}) AS place, 1 AS counted, 0 AS tallied
        FROM records r LEFT JOIN jobs j ON j.id = r.job_id
        UNION ALL SELECT scope_id, place, 0, records FROM record_tallies
      ) GROUP BY scope_id, place
    ) WHERE counted <> tallied`,
  'a job is outdated though it is the last of its record, or the other way round': `
    SELECT id FROM jobs WHERE outdated <> (id NOT IN (SELECT job_id FROM records))`,
  'a rank is not that of its due time and priority': `
    SELECT id FROM jobs WHERE rank <> run_at - priority * 60000`,
  'something of a pruned job is left': `
    SELECT job_id FROM (
      SELECT job_id FROM attempts UNION SELECT job_id FROM events UNION SELECT job_id FROM outputs
      UNION SELECT job_id FROM payloads
    ) WHERE job_id NOT IN (SELECT id FROM jobs)`,
};

function findBreaches(db: Database): Record<string, unknown> {
  const found = Object.entries(BREACHES).map(([name, sql]) => [name, db.prepare(sql).all()] as const);
  return Object.fromEntries(found.filter(([, rows]) => rows.length > 0));
}

it(
  'every job stands where it should, and every number is right, whatever happens in whatever order',
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        const folder = mkdtempSync(join(tmpdir(), 'dogged-places-'));
        const world: World = { folder, store: await openWorker(folder), nowMs: T0, running: [] };
        const db = new SqliteDatabase(join(folder, 'dogged.db'), { readonly: true });
        try {
          await world.store.takeOwnership(someOwner, T0);
          await configure(world.store, 2);
          for (const step of steps) {
            await take(world, step);
            expect(findBreaches(db)).toEqual({});
          }
        } finally {
          db.close();
          await world.store.close();
          rmSync(folder, { recursive: true });
        }
      }),
      { numRuns: RUNS },
    );
  },
  30_000 + RUNS * 3_000,
);
