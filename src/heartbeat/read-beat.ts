import { join } from 'node:path';
import type {
  Beat,
  BeatClock,
  BeatCounters,
  BeatEnd,
  BeatFailure,
  BeatLook,
  BeatMachine,
  BeatOutage,
  BeatQueue,
  BeatReading,
  BeatSlot,
  BeatSource,
  BeatWaiting,
  ClockJump,
} from './beat.js';
import { readStateFile, type StateFile } from './read-state-file.js';
import { amount, count, flag, listOf, number, oneOf, optional, orNull, shapeOf, text } from './shape.js';

export function beatFile(heartbeatFolder: string): string {
  return join(heartbeatFolder, 'heartbeat.json');
}

/** The last beat. `missing` before the first one; `invalid` says why, and is never to be read as "no worker". */
export function readBeat(heartbeatFolder: string): StateFile<Beat> {
  return readStateFile<Beat>(beatFile(heartbeatFolder), checkBeat);
}

export const checkBeatEnd = shapeOf<BeatEnd>({ job: text, workspace: text, task: text, attempt: count });

const checkBeat = shapeOf<Beat>({
  schema: oneOf(1),
  version: text,
  bootId: text,
  pid: count,
  startTicks: count,
  nonce: text,
  epoch: count,
  seq: count,
  wallTime: text,
  monotonicMs: amount,
  state: oneOf('starting', 'running', 'draining', 'stopping', 'stopped'),
  counters: shapeOf<BeatCounters>({
    loop: count,
    polls: count,
    commits: count,
    asyncFs: count,
    claims: count,
    completed: count,
    failed: count,
  }),
  queue: shapeOf<BeatQueue>({
    pending: count,
    scheduled: count,
    running: count,
    completed: count,
    failed: count,
    cancelled: count,
    expired: count,
    outbox: count,
  }),
  runnable: count,
  freeSlots: count,
  oldestRunningMs: amount,
  oldestPendingMs: amount,
  monitor: shapeOf<Beat['monitor']>({ pid: orNull(count), seen: flag }),
  slots: listOf(
    shapeOf<BeatSlot>({
      slot: count,
      state: oneOf('working', 'idle'),
      job: optional(text),
      task: optional(text),
      key: optional(text),
      sinceMs: optional(amount),
      timeoutMs: optional(amount),
      progress: optional(amount),
      orphanPids: optional(listOf(count)),
    }),
  ),
  sources: listOf(
    shapeOf<BeatSource>({
      name: text,
      records: count,
      rejected: count,
      lastPollMs: orNull(amount),
      problem: orNull(text),
      waitingFiles: optional(count),
      look: optional(
        shapeOf<BeatLook>({ agoMs: amount, unaccounted: orNull(count), unknown: optional(text) }),
      ),
      reading: optional(shapeOf<BeatReading>({ unit: oneOf('bytes', 'files'), done: count, total: count })),
    }),
  ),
  // A reason that only a newer worker knows must not make its whole beat unreadable.
  waiting: listOf(shapeOf<BeatWaiting>({ task: text, reason: text, jobs: count })),
  outages: optional(listOf(shapeOf<BeatOutage>({ id: text, dependency: text, since: text, cause: text }))),
  lastFailed: optional(shapeOf<BeatFailure>({ job: text, task: text, key: text, reason: text })),
  pressure: optional(oneOf('memory', 'disk')),
  held: optional(shapeOf<NonNullable<Beat['held']>>({ forMs: amount, pids: listOf(count) })),
  storage: optional(text),
  metrics: optional(text),
  redis: optional(text),
  machines: optional(listOf(shapeOf<BeatMachine>({ site: text, seenMsAgo: amount }))),
  endsKept: optional(listOf(checkBeatEnd)),
  clock: optional(
    shapeOf<BeatClock>({
      state: oneOf('suspect', 'believed'),
      why: text,
      forMs: amount,
      believedInMs: optional(amount),
    }),
  ),
  clockJumps: optional(listOf(shapeOf<ClockJump>({ agoMs: amount, byMs: number }))),
  lag: shapeOf<Beat['lag']>({ p50Ms: amount, p99Ms: amount, maxMs: amount }),
  memory: shapeOf<Beat['memory']>({ rssBytes: count }),
});
