import { takeSnapshot } from '../../../src/job/snapshot.js';
import type { JobSummary } from '../../../src/store/read-contract.js';
import type { QueueLook } from '../../../src/view/queue-monitor/port.js';
import { composeSnapshot, type SystemSnapshot } from '../../../src/view/snapshot.js';
import { aBeat } from '../../heartbeat/a-beat.js';

export const NOW = 1_000_000_000;

/** Names that try to break a screen: control and bidirectional characters, wide ones, joined ones. */
export const HOSTILE = 'x\x1b[2J\u202egnp.exe\u202c 日本語の長い名前 👩‍👩‍👧 \r\n\ttail';

export function aJob(id: number, more: Partial<JobSummary> = {}): JobSummary {
  return {
    id: String(id),
    workspace: 'default',
    task: 'implement',
    source: null,
    key: `idea ${id}`,
    version: 'v',
    cycle: 'c',
    place: 'ready',
    priority: 0,
    group: null,
    attempts: 0,
    charged: 0,
    crashes: 0,
    maxAttempts: 5,
    createdAtMs: NOW - 5_000,
    runAtMs: NOW - 5_000,
    expiresAtMs: null,
    startedAtMs: null,
    endedAtMs: null,
    lateByMs: null,
    reason: null,
    exitCode: null,
    result: null,
    payload: takeSnapshot(Buffer.from('{}')),
    isElsewhere: false,
    parkedBy: null,
    ...more,
  };
}

/** More of everything than a small terminal has room for. */
export function crowdedSnapshot(): SystemSnapshot {
  const names = Array.from({ length: 12 }, (_, n) => `a-task-with-a-long-name-${n}`);
  const places = {
    scheduled: 1,
    ready: 10_000,
    parked: 5,
    running: 2,
    completed: 9_999_999,
    failed: 7,
    cancelled: 3,
    expired: 1,
  };
  return {
    ...composeSnapshot('/nowhere', { status: 'missing' }, NOW),
    verdict: 'stuck',
    countedFrom: 'database',
    queue: {
      ...aBeat().queue,
      pending: 120_060,
      scheduled: 12,
      completed: 119_999_988,
      failed: 84,
      expired: 12,
    },
    nextScheduledAtMs: NOW + 3_600_000,
    slots: [
      ...names.map((task, slot) => ({
        slot,
        state: 'working' as const,
        job: '1',
        task,
        key: HOSTILE.repeat(5),
        sinceMs: 1,
        timeoutMs: 900_000,
        progress: 0.4,
      })),
      { slot: 12, state: 'idle' as const },
    ],
    tasks: names.map((task) => ({ workspace: 'default', task, paused: true, places })),
    waiting: names.map((task) => ({ task, reason: 'paused', jobs: 10_005 })),
    outages: [
      {
        id: '1',
        dependency: HOSTILE,
        sinceMs: NOW - 9_000,
        untilMs: null,
        cause: HOSTILE.repeat(4),
        held: 4,
        evidence: null,
        casualties: 0,
        trial: { retryAtMs: NOW + 9_000, lastFailure: null, tasks: names },
      },
    ],
    problems: [`settings.json: ${'it cannot be read '.repeat(9)}`],
  };
}

export function crowdedLook(): QueueLook {
  return {
    snapshot: crowdedSnapshot(),
    page: { jobs: [], hasNewer: false, hasOlder: false },
    lastFailed: aJob(3, { place: 'failed', key: HOSTILE, reason: HOSTILE, endedAtMs: NOW - 1 }),
    open: null,
  };
}
