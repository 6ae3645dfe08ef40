import { join } from 'node:path';
import type { Database } from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import { JOB_STATES } from '../../../src/job/job.js';
import { systemClock } from '../../../src/platform/clock.js';
import type { Store } from '../../../src/store/engine.js';
import { connect } from '../../../src/store/sqlite/connection.js';
import { migrate } from '../../../src/store/sqlite/migrations/migrate.js';
import { SqliteStore } from '../../../src/store/sqlite/store.js';
import {
  admit,
  claimOne,
  end,
  ideas,
  type RecordSpec,
  reject,
  retryAt,
  someOwner,
  T0,
  turn,
} from '../../conformance/given.js';
import { tempFolder } from '../../support/temp-folder.js';

const JOBS = 3_000;

/** How a million jobs may be spread over groups; the claim must not feel any of it. */
const DISTRIBUTIONS: readonly (readonly [string, (n: number) => string | null])[] = [
  ['no groups', () => null],
  ['mixed groups', (n) => `g${n % 50}`],
  ['one group each', (n) => `g${n}`],
  ['one giant group', () => 'giant'],
];

/** Tables with a few rows, whatever the number of jobs. So has the index of running jobs: as many as there are slots. */
const SMALL_TABLES = [
  'meta',
  'queues',
  'scopes',
  'tallies',
  'record_tallies',
  'counts',
  'tasks',
  'breakers',
  'move',
  'chosen_store',
  'q',
  's',
  't',
  'k',
];

/** Lists, which go back from the newest row until they have enough, and the recount after a changed limit or a kill. */
const ALLOWED_SCANS: readonly RegExp[] = [
  // At most 100 of a source.
  /cycles INDEXED BY cycles_broken/,
  /FROM rejects r/,
  /FROM outages\s+ORDER BY id DESC/,
  /^SELECT id FROM jobs WHERE place IN .* ORDER BY id (DESC|ASC) LIMIT :limit$/,
  /row_number\(\) OVER/,
  /count\(\*\) AS jobs, sum\(group_name IS NOT NULL\)/,
  /SELECT coalesce\(sum\(held\), 0\) FROM groups/,
  /SELECT DISTINCT queue_id AS queueId, group_name AS "group" FROM jobs INDEXED BY jobs_parked/,
];

/** A list by state sorts the ids of that state: from an index, without reading the jobs. */
const ALLOWED_SORTS = /^SELECT id FROM jobs INDEXED BY \w+ WHERE .* ORDER BY id (DESC|ASC) LIMIT :limit$/;

interface Recorded {
  readonly store: Store;
  readonly db: Database;
  /** The text of every statement that the store has prepared so far. */
  readonly recorded: Set<string>;
}

async function recordingStore(): Promise<Recorded> {
  const connection = await connect(join(tempFolder(), 'dogged.db'), 'worker', systemClock);
  const { db } = connection;
  migrate(db, T0);
  const recorded = new Set<string>();
  const prepare = db.prepare.bind(db);
  const recording = (sql: string) => {
    recorded.add(sql);
    return prepare(sql);
  };
  Object.assign(db, { prepare: recording });
  const store = new SqliteStore(connection, 'worker');
  onTestFinished(() => store.close());
  await store.takeOwnership(someOwner, T0);
  await store.configureTasks(['default'], [{ task: 'build', groupLimit: 2, maxAttempts: 3 }]);
  return { store, db, recorded };
}

/** Jobs in every place, and most of them waiting. */
async function fill(store: Store, groupOf: (n: number) => string | null): Promise<void> {
  const all = Array.from({ length: JOBS }, (_, n): RecordSpec => {
    const kind = n % 10;
    return {
      key: `${n}`,
      group: groupOf(n),
      priority: n % 7,
      runAtMs: kind === 9 ? T0 + 1_000 + n : T0 - n,
      expiresAtMs: kind === 8 ? T0 + 1_000_000 + n : null,
    };
  });
  await admit(store, all);
  let { claims } = await turn(store, { freeSlots: 50, eligible: [{ task: 'build', room: 50 }] });
  for (let i = 0; i < 10; i += 1) {
    const ends = claims.map((claim, n) =>
      end(claim, n % 5 === 0 ? { to: 'failed', reason: 'x' } : undefined),
    );
    ({ claims } = await turn(store, { ends, freeSlots: 50, eligible: [{ task: 'build', room: 50 }] }));
  }
}

/** Calls every method once, so that every statement is prepared. */
async function visitEveryCall(store: Store): Promise<void> {
  const again = { key: 'again', onChange: 'rerun' as const };
  const cursors = [{ path: 'p', expectedEpoch: 0, body: 'b' }];
  const seen = { key: 'ab'.repeat(16), occurrenceIn: 1 };
  await admit(store, [{ ...again, priority: 1_000 }, seen], { cursors, rejects: [reject({ path: 'p' })] });
  await admit(store, [{ ...again, priority: 1_000, content: '2' }], { rereadPaths: ['p'] });
  const claim = await claimOne(store, { nowMs: T0 });
  await admit(store, [{ ...again, content: '3' }]);
  await turn(store, { ends: [end(claim, retryAt(T0), { stdout: 'x' })] });
  await store.cursors(ideas);
  await store.cursors(ideas, { afterPath: 'p', limit: 1 });
  await store.orphans();
  await store.rescue([], T0);
  await store.pulse(1, T0, true);
  await store.cancel('default', [claim.id], T0);
  await store.redrive('default', [claim.id], T0);
  await store.setPaused('default', 'build', true, T0);
  await store.setPaused('default', null, true, T0);
  await store.counts();
  await store.counts(T0);
  await store.list({ limit: 1, source: 'ideas' });
  await store.list({ limit: 1, states: JOB_STATES });
  await store.list({ limit: 1, states: JOB_STATES, from: claim.id, towards: 'newer', keyPart: 'a' });
  await store.get('default', claim.id);
  await store.nextInLine(1);
  await store.rejects(null, 1);
  await store.breakers();
  await store.outages(1);
  await store.casualties('1', 1);
  const dependency = 'build';
  await turn(store, {
    breakers: [
      { dependency, to: 'counted', failures: 1, sinceMs: T0 },
      { dependency, to: 'opened', sinceMs: T0, retryAtMs: T0, cause: 'x' },
      { dependency, to: 'cost', job: claim.id, attempt: 1 },
      { dependency, to: 'reopened', retryAtMs: T0, failure: 'x' },
      { dependency, to: 'closed', evidence: 'x', triedJobs: 0 },
    ],
  });
  await store.prune(T0 - 1, 1);
}

function planOf(db: Database, sql: string): string[] {
  if (!/^\s*(SELECT|INSERT|UPDATE|DELETE|WITH)/i.test(sql)) return [];
  const names = [...sql.matchAll(/:(\w+)/g)].map((match) => match[1] as string);
  const values = names.length > 0 ? [Object.fromEntries(names.map((name) => [name, 1]))] : [];
  const unnamed = names.length > 0 ? [] : Array(sql.match(/\?/g)?.length ?? 0).fill(1);
  const rows = db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...values, ...unnamed) as { detail: string }[];
  return rows.map(({ detail }) => detail);
}

function scansIn(db: Database, statements: ReadonlySet<string>): string[] {
  const scans: string[] = [];
  for (const sql of statements) {
    if (ALLOWED_SCANS.some((pattern) => pattern.test(sql))) continue;
    for (const step of planOf(db, sql)) {
      const table = /^SCAN (?!jobs USING .*INDEX jobs_running)(\w+)/.exec(step)?.[1];
      if (table !== undefined && table !== 'CONSTANT' && !SMALL_TABLES.includes(table)) {
        scans.push(`${step}: ${sql}`);
      }
      if (/TEMP B-TREE/.test(step) && /FROM jobs/.test(sql) && !ALLOWED_SORTS.test(sql))
        scans.push(`${step}: ${sql}`);
    }
  }
  return scans;
}

/** Rows of `jobs` that a query looks at, not only those that it returns. */
function rowsVisited(db: Database, sql: string, values: readonly (string | number)[]): number {
  let visits = 0;
  db.function('visited', { deterministic: false }, (_id: unknown) => {
    visits += 1;
    return 1;
  });
  const counted = sql.replaceAll(/WHERE (?=place)/g, 'WHERE visited(jobs.id) AND ');
  expect(counted).not.toBe(sql);
  db.prepare(counted).all(...values);
  return visits;
}

function find(statements: ReadonlySet<string>, ...parts: readonly string[]): string {
  const found = [...statements].filter((sql) => parts.every((part) => sql.includes(part)));
  expect(found, `one statement with ${parts.join(' and ')}`).toHaveLength(1);
  return found[0] as string;
}

describe.each(DISTRIBUTIONS)('with %s', (_, groupOf) => {
  it.each(['before', 'after'])(
    'every query finds what it wants by an index, and looks at no more, %s ANALYZE',
    async (when) => {
      const { store, db, recorded } = await recordingStore();
      await fill(store, groupOf);
      if (when === 'after') db.exec('ANALYZE');
      await visitEveryCall(store);
      const statements = new Set(recorded);
      expect(statements.size).toBeGreaterThan(50);
      expect(scansIn(db, statements)).toEqual([]);

      // Planned anew at each call, for the value of the limit: dearer than the search itself.
      const hot = /INDEXED BY jobs_(ready|waiting|expiring)/;
      expect([...statements].filter((sql) => hot.test(sql) && /LIMIT \?\s*$/.test(sql))).toEqual([]);

      const visited = (parts: readonly string[], ...values: (string | number)[]) =>
        rowsVisited(db, find(statements, ...parts), values);
      const queueId = 1;
      const free = 4;
      expect(visited(['SELECT id, rank FROM jobs'], queueId, free)).toBeLessThanOrEqual(free);
      expect(visited(['SELECT id FROM jobs', 'after_job IS NULL'], queueId, 'giant')).toBeLessThanOrEqual(1);
      expect(visited(['SELECT run_at FROM jobs INDEXED BY jobs_waiting'])).toBe(1);
      expect(visited(['SELECT id, queue_id', 'jobs_waiting'], T0, 500)).toBe(0);
      expect(visited(['SELECT id, queue_id', 'jobs_waiting'], T0 + 10_000_000, 5)).toBe(5);
      expect(visited(['SELECT expires_at FROM jobs'])).toBe(1);
      expect(visited(['AND expires_at <= ?'], T0, 500)).toBe(0);
      expect(visited(['AND expires_at <= ?'], T0 + 10_000_000, 5)).toBe(5);
      expect(visited(['jobs_cancelling'], 1)).toBe(0);
      expect(visited(['SELECT 1 FROM jobs INDEXED BY jobs_running'], 1)).toBeLessThanOrEqual(1);
      expect(visited(['SELECT min(run_at) FROM ('])).toBeLessThanOrEqual(2);
      expect(visited(['ended_at < ?'], queueId, 4, T0 + 10_000, 7)).toBeLessThanOrEqual(7);
    },
  );
});
