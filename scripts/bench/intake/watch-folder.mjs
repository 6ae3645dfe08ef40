// Child of quiet.mjs: watches one folder in one of the ways that are compared, and tells what that costs at rest.
// usage: node watch-folder.mjs idle|dogged|chokidar|watchFile|lstat FOLDER STATE SECONDS [CHOKIDAR]
import { lstatSync, readdirSync, watchFile } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { createIntake } from '../../../dist/intake/intake.js';
import { systemClock } from '../../../dist/platform/clock.js';
import { createLog } from '../../../dist/platform/log.js';
import { openStore } from '../../../dist/store/open.js';
import { cpuMs, lagMeter, rssMb } from './measure.mjs';
import { source, tasks } from './sample.mjs';

const [way, folder, state, seconds, chokidarPath] = process.argv.slice(2);
const POLL_MS = 1_000;

const ways = {
  async idle() {},

  async dogged() {
    const store = await openStore(state, 'worker', systemClock);
    const intake = createIntake({
      config: {
        stateFolder: state,
        sources: [source({ kind: 'directory', path: folder, pollMs: POLL_MS })],
        tasks,
      },
      store,
      clock: systemClock,
      log: createLog('silent'),
      onQueued() {},
    });
    await intake.pollOnce();
    intake.start();
  },

  async chokidar() {
    const { watch } = await import(pathToFileURL(chokidarPath));
    const watcher = watch(folder, { usePolling: true, interval: POLL_MS, ignoreInitial: true });
    await new Promise((resolve) => watcher.on('ready', resolve));
  },

  async watchFile() {
    for (const name of readdirSync(folder)) watchFile(`${folder}/${name}`, { interval: POLL_MS }, () => {});
  },

  /** The floor: every file is asked for once in 30 s, as dogged does, and nothing is done with the answer. */
  async lstat() {
    const names = readdirSync(folder);
    let at = 0;
    const share = Math.ceil(names.length / 30);
    setInterval(() => {
      const slice = () => {
        const end = performance.now() + 4;
        for (; left > 0 && performance.now() < end; left -= 1) {
          lstatSync(`${folder}/${names[at]}`, { bigint: true });
          at = (at + 1) % names.length;
        }
        if (left > 0) setImmediate(slice);
      };
      let left = share;
      slice();
    }, POLL_MS);
  },
};

const start = process.cpuUsage();
await ways[way]();
const readyCpuSeconds = cpuMs(start) / 1000;
// Two rounds of polls until everything that was new is old.
await pause(5);

// First what it costs, then how late a timer comes: looking for that costs more than what is looked at.
const before = process.cpuUsage();
const measuredFrom = performance.now();
let mostMb = rssMb();
const sampling = setInterval(() => {
  mostMb = Math.max(mostMb, rssMb());
}, 2_000);
await pause(Number(seconds));
const cpuShare = (100 * cpuMs(before)) / (performance.now() - measuredFrom);
clearInterval(sampling);
const lag = lagMeter();
await pause(Number(seconds));
process.stdout.write(JSON.stringify({ way, readyCpuSeconds, cpuShare, mostMb, ...lag.stop() }));
process.exit(0);

function pause(forSeconds) {
  return new Promise((resolve) => setTimeout(resolve, forSeconds * 1000));
}
