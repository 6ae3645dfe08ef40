import { workerData } from 'node:worker_threads';
import { CrumbMemory } from '../platform/breadcrumb.js';
import { systemClock as clock, isoTime } from '../platform/clock.js';
import { lookAtThread } from './blocked-thread.js';
import { inTheirModules } from './frame-places.js';
import { type Hang, writeHang } from './hang-file.js';
import { hungBytes } from './hung-bytes.js';
import { readMainStack } from './main-stack.js';

/*
 * The entry of the hang guard's thread. It looks at the counter of the main loop's turns, and writes down where that loop
 * stands when the counter does. It feeds no heartbeat: what it does proves nothing about the worker.
 */

export interface GuardData {
  readonly crumbs: SharedArrayBuffer;
  readonly stateFolder: string;
  readonly stallAfterMs: number;
  readonly pid: number;
  readonly nonce: string;
}

const data = workerData as GuardData;
const crumbs = new CrumbMemory(data.crumbs);
/** Late by so much at most; it costs 0.01 % of a core. */
const LOOK_EVERY_MS = Math.min(250, data.stallAfterMs / 8);

for (let standsAt = stall(); standsAt !== null; standsAt = stall()) {
  const hang = await examine(standsAt.turns, standsAt.forMs);
  const overAfterMs = standsAt.forMs + untilTurned(standsAt.turns);
  if (crumbs.turns() !== standsAt.turns) writeHang(data.stateFolder, { ...hang, overAfterMs });
}

/** Waits until the loop has stood for too long; null at the end. A wait that took longer than it should counts twice at most. */
function stall(): { turns: number; forMs: number } | null {
  let turns = crumbs.turns();
  let forMs = 0;
  while (forMs < data.stallAfterMs) {
    const sinceMs = look();
    if (sinceMs === null) return null;
    const now = crumbs.turns();
    forMs = now === turns ? forMs + sinceMs : 0;
    turns = now;
  }
  return { turns, forMs };
}

/** For how long it went on standing; ends with the guard, too. */
function untilTurned(turns: number): number {
  let forMs = 0;
  while (crumbs.turns() === turns) {
    const sinceMs = look();
    if (sinceMs === null) break;
    forMs += sinceMs;
  }
  return forMs;
}

function look(): number | null {
  const atMs = clock.monotonicMs();
  if (crumbs.waitForEnd(LOOK_EVERY_MS)) return null;
  return Math.min(clock.monotonicMs() - atMs, 2 * LOOK_EVERY_MS);
}

/** What can be had for certain first: asking for the stack disturbs the main thread. */
async function examine(turns: number, stoodMs: number): Promise<Hang> {
  const { pid, nonce } = data;
  const lastStep = crumbs.read();
  const thread = lookAtThread(pid);
  const record = hungBytes(lastStep);
  const { stack, noStack } = await readMainStack(clock, () => crumbs.turns() === turns);
  const at = isoTime(clock.wallMs()) ?? '';
  const hang: Hang = {
    schema: 1,
    at,
    pid,
    nonce,
    stoodMs,
    lastStep,
    record,
    thread,
    stack: inTheirModules(stack),
    noStack,
    overAfterMs: null,
  };
  // A loop that has turned meanwhile is written down as such from the start: nobody may act on it.
  if (crumbs.turns() === turns) writeHang(data.stateFolder, hang);
  return hang;
}
