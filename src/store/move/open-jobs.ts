import type { Database } from 'better-sqlite3';
import { PLACES } from '../../job/job.js';
import { sha256 } from '../../job/snapshot.js';
import { SEND_STATES } from '../bullmq/outbox.js';
import { fromWire } from '../bullmq/parcel.js';
import type { RedisLink } from '../bullmq/redis-link.js';
import { PREFIX } from '../bullmq/scripts.js';
import type { SqliteStore } from '../sqlite/store.js';

const PAGE = 500;
const { running, ready } = PLACES;

/** What became of the open jobs of a move. */
export interface OpenJobsReport {
  /** Open before the cutover; null: nobody has counted, the move was taken up after it. */
  readonly before: number | null;
  /** Of those: still open, and ended meanwhile. */
  readonly open: number;
  readonly ended: number;
  /** Jobs in Redis that were held against their rows, id, payload and hash. */
  readonly compared: number;
  /** Ids of jobs that are gone, or whose payload is another one. None may be. */
  readonly wrong: readonly number[];
}

interface SentRow {
  readonly jobId: number;
  readonly redisId: string;
  readonly workspace: string;
  readonly task: string;
  readonly payloadHash: Buffer;
}

/** The set of open jobs as it is before a cutover, kept by this connection alone. */
export function rememberOpenJobs(sqlite: SqliteStore): void {
  const { database: db } = sqlite;
  db.exec(`
    DROP TABLE IF EXISTS temp.open_before;
    CREATE TEMP TABLE open_before AS
    SELECT j.id, j.version_hash, j.payload_hash, o.redis_id, q.workspace, q.task
    FROM jobs j
    CROSS JOIN queues q ON q.id = j.queue_id
    LEFT JOIN outbox o ON o.job_id = j.id AND o.state <> 0
    WHERE j.place <= ${running}`);
}

/** Holds the open jobs against what was remembered, and against what Redis holds of them. Throws REDIS_AWAY. */
export async function checkOpenJobs(
  sqlite: SqliteStore,
  link: Pick<RedisLink, 'exec' | 'client'>,
  isInRedis: boolean,
): Promise<OpenJobsReport> {
  const { database: db } = sqlite;
  const counted = isRemembered(db) ? countRemembered(db) : null;
  const inRedis = isInRedis ? await compareSent(db, link) : await findLeft(db, link, counted !== null);
  return {
    before: counted?.before ?? null,
    open: counted?.open ?? 0,
    ended: counted?.ended ?? 0,
    compared: inRedis.compared,
    wrong: [...new Set([...(counted?.wrong ?? []), ...inRedis.wrong])].sort((a, b) => a - b),
  };
}

function isRemembered(db: Database): boolean {
  return db.prepare("SELECT 1 FROM temp.sqlite_master WHERE name = 'open_before'").get() !== undefined;
}

function countRemembered(db: Database) {
  const counts = db
    .prepare<[], { before: number; open: number; ended: number }>(`
      SELECT count(*) AS before, coalesce(sum(j.place <= ${running}), 0) AS open,
        coalesce(sum(j.place > ${running}), 0) AS ended
      FROM temp.open_before b LEFT JOIN jobs j ON j.id = b.id`)
    .get();
  const wrong = db
    .prepare<[], number>(`
      SELECT b.id FROM temp.open_before b LEFT JOIN jobs j ON j.id = b.id
      WHERE j.id IS NULL OR (j.version_hash = b.version_hash AND j.payload_hash <> b.payload_hash)`)
    .pluck()
    .all();
  return { before: 0, open: 0, ended: 0, ...counts, wrong };
}

/** Each job that Redis is known to hold: the payload there is the one that was admitted. */
async function compareSent(db: Database, link: Pick<RedisLink, 'exec' | 'client'>) {
  const rows = (after: number) =>
    db
      .prepare<[number, number], SentRow>(`
        SELECT o.job_id AS jobId, o.redis_id AS redisId, q.workspace, q.task, j.payload_hash AS payloadHash
        FROM outbox o
        CROSS JOIN jobs j ON j.id = o.job_id AND j.place = ${ready}
        CROSS JOIN queues q ON q.id = j.queue_id
        WHERE o.state = ${SEND_STATES.sent} AND o.job_id > ?
        ORDER BY o.job_id
        LIMIT ?`)
      .all(after, PAGE);
  const still = db
    .prepare<[number, string], number>(`
      SELECT 1 FROM outbox o CROSS JOIN jobs j ON j.id = o.job_id AND j.place = ${ready}
      WHERE o.job_id = ? AND o.redis_id = ? AND o.state = ${SEND_STATES.sent}`)
    .pluck();
  const wrong: number[] = [];
  let compared = 0;
  for (let page = rows(0); page.length > 0; page = rows(page.at(-1)?.jobId ?? Number.MAX_SAFE_INTEGER)) {
    const differing = await findDiffering(link, page);
    compared += page.length - differing.length;
    // Claimed and ended meanwhile, it is no longer there: only one that is still said to be is wrong.
    const stands = differing.filter(({ jobId, redisId }) => still.get(jobId, redisId) !== undefined);
    const again = stands.length === 0 ? [] : await findDiffering(link, stands);
    wrong.push(
      ...again
        .filter(({ jobId, redisId }) => still.get(jobId, redisId) !== undefined)
        .map(({ jobId }) => jobId),
    );
  }
  return { compared, wrong };
}

async function findDiffering(
  link: Pick<RedisLink, 'exec' | 'client'>,
  page: readonly SentRow[],
): Promise<readonly SentRow[]> {
  const found = await readJobs(link, page);
  return page.filter(({ payloadHash }, index) => {
    const text = found[index];
    const parcel = text == null ? null : fromWire(JSON.parse(text));
    return (
      parcel === null ||
      !parcel.payload.hash.equals(payloadHash) ||
      !sha256(parcel.payload.bytes).equals(payloadHash)
    );
  });
}

/** What stood in Redis before, and is to be there no longer. */
async function findLeft(db: Database, link: Pick<RedisLink, 'exec' | 'client'>, isKnown: boolean) {
  const wrong: number[] = [];
  let compared = 0;
  if (!isKnown) return { compared, wrong };
  const rows = (after: number) =>
    db
      .prepare<[number, number], SentRow>(`
        SELECT id AS jobId, redis_id AS redisId, workspace, task, payload_hash AS payloadHash FROM temp.open_before
        WHERE redis_id IS NOT NULL AND id > ? ORDER BY id LIMIT ?`)
      .all(after, PAGE);
  for (let page = rows(0); page.length > 0; page = rows(page.at(-1)?.jobId ?? Number.MAX_SAFE_INTEGER)) {
    const found = await readJobs(link, page);
    compared += page.length;
    wrong.push(...page.filter((_, index) => found[index] != null).map(({ jobId }) => jobId));
  }
  return { compared, wrong };
}

async function readJobs(
  link: Pick<RedisLink, 'exec' | 'client'>,
  page: readonly SentRow[],
): Promise<readonly (string | null)[]> {
  const pipeline = link.client.pipeline();
  for (const { workspace, task, redisId } of page)
    pipeline.hget(`${PREFIX}:${workspace}.${task}:${redisId}`, 'data');
  const answers = await link.exec(pipeline);
  return page.map((_, index) => {
    const [error, value] = answers[index] ?? [null, null];
    if (error) throw error;
    return value as string | null;
  });
}
