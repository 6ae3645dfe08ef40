// Child of admission.mjs and large.mjs: reads one log through the real intake into a new store, so often.
// usage: node read-log.mjs LOG FOLDER RUNS
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { createIntake } from '../../../dist/intake/intake.js';
import { systemClock } from '../../../dist/platform/clock.js';
import { createLog } from '../../../dist/platform/log.js';
import { openStore } from '../../../dist/store/open.js';
import { cpuMs, holdMeter, rssMb } from './measure.mjs';
import { source, tasks } from './sample.mjs';

const [path, folder, runs] = process.argv.slice(2);
const results = [];
for (let run = 0; run < Number(runs); run += 1) {
  const state = join(folder, `state-${run}`);
  results.push(await readInto(state));
  rmSync(state, { recursive: true });
}
process.stdout.write(JSON.stringify(results));

async function readInto(state) {
  const store = await openStore(state, 'worker', systemClock);
  const intake = createIntake({
    config: { stateFolder: state, sources: [source({ path })], tasks },
    store,
    clock: systemClock,
    log: createLog('silent'),
    onQueued() {},
  });
  const idleMb = rssMb();
  const samples = [];
  const sampling = setInterval(() => samples.push(rssMb()), 50);
  const hold = holdMeter();
  const before = process.cpuUsage();
  const start = performance.now();
  const isSettled = await intake.pollOnce();
  const result = {
    isSettled,
    cpuMs: cpuMs(before),
    wallMs: performance.now() - start,
    ...hold.stop(),
    idleMb,
    // Whether it grows: the most in each third of the time.
    mostMb: thirds(samples).map((third) => Math.max(idleMb, ...third)),
    records: (await store.counts()).sources[0]?.records ?? 0,
  };
  clearInterval(sampling);
  await store.close();
  return result;
}

function thirds(all) {
  const size = Math.max(1, Math.ceil(all.length / 3));
  return [0, 1, 2].map((n) => all.slice(n * size, (n + 1) * size));
}
