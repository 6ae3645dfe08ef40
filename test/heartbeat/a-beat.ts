import type { Beat } from '../../src/heartbeat/beat.js';

/** A beat of a worker that is well, with what a test wants to be different. */
export function aBeat(different: Partial<Beat> = {}): Beat {
  return {
    schema: 1,
    version: '0.1.0',
    bootId: '00000000-0000-4000-8000-000000000000',
    pid: 4_000_000,
    startTicks: 100,
    nonce: 'nonce-a',
    epoch: 1,
    seq: 1,
    wallTime: '2026-01-01T00:00:00.000Z',
    monotonicMs: 1_000,
    state: 'running',
    counters: { loop: 1, polls: 1, commits: 1, asyncFs: 1, claims: 0, completed: 0, failed: 0 },
    queue: {
      pending: 0,
      scheduled: 0,
      running: 0,
      completed: 0,
      failed: 0,
      cancelled: 0,
      expired: 0,
      outbox: 0,
    },
    runnable: 0,
    freeSlots: 4,
    oldestRunningMs: 0,
    oldestPendingMs: 0,
    monitor: { pid: null, seen: false },
    slots: [],
    sources: [],
    waiting: [],
    lag: { p50Ms: 0, p99Ms: 1, maxMs: 2 },
    memory: { rssBytes: 50_000_000 },
    ...different,
  };
}
