/** Two stores, one with few and one with many pending jobs, that take turns: both meet the same disk. */
import { join } from 'node:path';
import { systemClock as clock } from '../../../../dist/platform/clock.js';
import { admitMany, openOwned, TASK } from '../dogged-store.mjs';
import { median } from '../run-alone.mjs';

const GROUPS = {
  none: { limit: null, of: () => null },
  mixed: { limit: 4, of: (n) => `g${n % 100}` },
  each: { limit: 2, of: (n) => `g${n}` },
  giant: { limit: 2, of: () => 'giant' },
};
/** Not measured: the first turns prepare statements and fill the cache of pages. */
const WARM_UP = 100;
const TURNS = 700;

export async function run({ folder, few, many, groups }) {
  const sides = {
    few: await filled(join(folder, 'few'), few, groups),
    many: await filled(join(folder, 'many'), many, groups),
  };
  globalThis.gc();
  const before = residentMiB();
  for (let turn = 0; turn < WARM_UP + TURNS; turn += 1)
    for (const side of Object.values(sides)) await takeTurn(side, turn >= WARM_UP);
  globalThis.gc();
  const rss = { before, after: residentMiB() };
  for (const { store } of Object.values(sides)) await store.close();
  return { few: figuresOf(sides.few), many: figuresOf(sides.many), rss };
}

async function filled(stateFolder, pending, groups) {
  const { limit, of } = GROUPS[groups];
  const filling = await openOwned(stateFolder, limit);
  await admitMany(filling.store, pending, of);
  // Closing empties the log of the database: one that is written over is flushed more quickly than one that grows.
  await filling.store.close();
  const { store } = await openOwned(stateFolder, limit);
  return { store, claims: [], micros: [], cpuMicros: 0 };
}

async function takeTurn(side, isMeasured) {
  const cpu = process.cpuUsage();
  const startedMs = performance.now();
  const { claims } = await side.store.turn({
    ends: side.claims.map(endOf),
    freeSlots: 1,
    eligible: [{ task: TASK, room: 1 }],
    nowMs: clock.wallMs(),
  });
  if (claims.length !== 1) throw new Error(`${claims.length} jobs were claimed`);
  side.claims = claims;
  if (!isMeasured) return;
  side.micros.push((performance.now() - startedMs) * 1_000);
  const { user, system } = process.cpuUsage(cpu);
  side.cpuMicros += user + system;
}

function endOf(claim) {
  const nowMs = clock.wallMs();
  const report = {
    outcome: { kind: 'done', result: null },
    startedAtMs: nowMs,
    endedAtMs: nowMs,
    exitCode: 0,
    signal: null,
    stdout: null,
    stderr: null,
  };
  return { claim, next: { to: 'completed' }, report };
}

function figuresOf({ micros, cpuMicros }) {
  return { micros: median(micros), cpuMicros: cpuMicros / micros.length };
}

function residentMiB() {
  return Math.round(process.memoryUsage.rss() / 2 ** 20);
}
