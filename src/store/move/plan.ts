import type { JobState } from '../../job/job.js';
import { JOB_STATES, placeFromCode, stateOfPlace } from '../../job/job.js';
import { sizeText } from '../../platform/duration-text.js';
import type { RedisFacts } from '../bullmq/look-at-redis.js';
import type { SeenMachine } from '../bullmq/machines.js';
import type { SqliteStore } from '../sqlite/store.js';

/** Jobs a second, measured with 100,000 of them on two shared cores, with Redis on the same machine. */
const RATES = { mirrored: 7_000, compared: 4_000, handedOver: 3_500, calledHome: 10_000 } as const;
/** What Redis keeps beside the payload: of a job in BullMQ's lists, and of one in the mirror with its record. */
const BESIDE_BYTES = { queued: 2_000, mirrored: 2_500 } as const;
/** By how much more than the estimate is asked for: jobs go on coming. */
const SPARE = 1.5;
/** `ZRANGE … BYSCORE`, which our scripts use. */
const OLDEST_REDIS = [6, 2] as const;

/** What a move would do, and whether it can. */
export interface MovePlan {
  readonly source: string;
  readonly target: string;
  readonly jobs: Readonly<Record<JobState, number>>;
  /** Of the pending ones: those that go to the other store now. The rest waits in its rows, wherever jobs run. */
  readonly ready: number;
  readonly payloadBytes: number;
  readonly redis: RedisFacts;
  /** What Redis needs in addition while the move lasts, about, and half as much again. */
  readonly needsBytes: number;
  /** How long the copy into the mirror takes, about, and to compare both sides; 0 where there is no mirror. */
  readonly copyMs: number;
  readonly verifyMs: number;
  /** How long the jobs are under way to the other store, about. */
  readonly cutoverMs: number;
  readonly machines: readonly SeenMachine[];
  /** What has to be mended first; none: it can begin. */
  readonly hindrances: readonly string[];
  readonly warnings: readonly string[];
}

export interface PlanInput {
  readonly sqlite: SqliteStore;
  readonly source: string;
  readonly target: string;
  readonly redis: RedisFacts;
  /** What was found of how Redis is set. */
  readonly warnings: readonly string[];
  readonly others: readonly SeenMachine[];
  /** What speaks against it because of them. */
  readonly othersText: string | null;
}

export async function composePlan(input: PlanInput): Promise<MovePlan> {
  const { sqlite, source, target, redis, others, othersText } = input;
  const { jobs, ready, payloadBytes } = await sqlite.look(({ db }) => {
    const places = db
      .prepare<[], { place: number; jobs: number }>(
        'SELECT place, sum(jobs) AS jobs FROM tallies GROUP BY place',
      )
      .all();
    const bytes = db
      .prepare<[], number>(`
        SELECT coalesce((SELECT sum(length(payload)) FROM jobs), 0)
          + coalesce((SELECT sum(length(bytes)) FROM payloads), 0)`)
      .pluck()
      .get();
    return { ...byState(places), payloadBytes: bytes ?? 0 };
  });
  const all = JOB_STATES.reduce((sum, state) => sum + jobs[state], 0);
  const meanBytes = all === 0 ? 0 : payloadBytes / all;
  const isThere = target !== 'sqlite';
  const needsBytes = isThere
    ? Math.ceil(
        SPARE * (all * (BESIDE_BYTES.mirrored + meanBytes) + ready * (BESIDE_BYTES.queued + meanBytes)),
      )
    : 0;
  const hindrances: string[] = [];
  if (redis.forbidden !== null)
    hindrances.push(`the user in Redis may not do what dogged does: ${redis.forbidden}`);
  if (isThere) hindrances.push(...roomHindrances(redis, needsBytes));
  if (isThere && isOlder(redis.version))
    hindrances.push(`it is version ${redis.version}, and ${OLDEST_REDIS.join('.')} is needed, or Valkey`);
  if (!isThere && othersText !== null) hindrances.push(othersText);
  return {
    source,
    target,
    jobs,
    ready,
    payloadBytes,
    redis,
    needsBytes,
    copyMs: isThere ? Math.ceil((all / RATES.mirrored) * 1_000) : 0,
    verifyMs: isThere ? Math.ceil((all / RATES.compared) * 1_000) : 0,
    cutoverMs: Math.ceil((ready / (isThere ? RATES.handedOver : RATES.calledHome)) * 1_000),
    machines: others,
    hindrances,
    warnings: input.warnings,
  };
}

function byState(places: readonly { readonly place: number; readonly jobs: number }[]) {
  const jobs = Object.fromEntries(JOB_STATES.map((state) => [state, 0])) as Record<JobState, number>;
  let ready = 0;
  for (const { place, jobs: count } of places) {
    const name = placeFromCode(place);
    jobs[stateOfPlace(name)] += count;
    if (name === 'ready') ready += count;
  }
  return { jobs, ready };
}

function roomHindrances({ usedBytes, mostBytes, isFull }: RedisFacts, needsBytes: number): string[] {
  const freeBytes = isFull ? 0 : mostBytes === null ? Number.POSITIVE_INFINITY : mostBytes - usedBytes;
  if (!isFull && freeBytes >= needsBytes) return [];
  const free = freeBytes > 0 ? `has ${sizeText(freeBytes)} free` : 'is full';
  return [
    `it ${free}, and the move needs about ${sizeText(needsBytes)}: give it more (redis-cli CONFIG SET maxmemory), or remove ended jobs first (dogged prune)`,
  ];
}

function isOlder(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_REDIS;
  return major < oldestMajor || (major === oldestMajor && minor < oldestMinor);
}
