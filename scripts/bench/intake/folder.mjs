import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runChild } from './child.mjs';

const FILES = 100_000;
/** The newest that runs on Node 20. */
const CHOKIDAR = 'chokidar@5';

/** 100,000 files of which none changes, polled once a second. Each way in a process of its own, one after the other. */
export async function benchFolder({ folder, isLarge, report }) {
  const path = join(folder, 'many');
  mkdirSync(path);
  for (let n = 0; n < FILES; n += 1) writeFileSync(join(path, `f${n}.json`), `{"id":${n}}`);
  const state = mkdtempSync(join(folder, 'state-'));
  // Long enough for one listing in each half, which falls due once a minute.
  const seconds = isLarge ? 64 : 31;
  const measure = (way, forSeconds, ...more) =>
    runChild('watch-folder.mjs', [way, path, state, String(forSeconds), ...more]);

  report.heading(`${FILES} files, 1 s`);
  const idle = await measure('idle', isLarge ? seconds : 5);
  const first = await measure('dogged', 2);
  report.row('first admission of all of them', FILES / first.readyCpuSeconds, 'files/s of CPU');
  report.row('RSS above idle after that', first.mostMb - idle.mostMb, 'MB');
  const quiet = await measure('dogged', seconds);
  report.row('a worker that knows them starts in', quiet.readyCpuSeconds, 's of CPU');
  report.row('dogged: CPU', quiet.cpuShare - idle.cpuShare, '% of a core', { atMost: 1 });
  report.row('dogged: RSS above idle', quiet.mostMb - idle.mostMb, 'MB');
  report.row('dogged: latest that a timer came', quiet.lagMs, 'ms', { atMost: 10 });
  report.row('  by the clock on the wall', quiet.lagWallMs, 'ms');
  const flags = ['--max-semi-space-size=2', '--v8-pool-size=1'];
  const lean = await runChild('watch-folder.mjs', ['dogged', path, state, '2'], flags);
  report.row('dogged with the flags of a worker: RSS above idle', lean.mostMb - idle.mostMb, 'MB', {
    atMost: 60,
  });
  const rows = [['lstat', 'the same lstats, and nothing else', []]];
  if (isLarge) {
    rows.push(['watchFile', 'fs.watchFile of each', []]);
    rows.push(['chokidar', `${CHOKIDAR}, usePolling`, [installChokidar(folder, report)]]);
  }
  for (const [way, name, more] of rows) {
    const { cpuShare, mostMb, lagMs } = await measure(way, seconds, ...more);
    report.row(`(${name}: CPU)`, cpuShare - idle.cpuShare, '% of a core');
    report.row(`(${name}: RSS above idle)`, mostMb - idle.mostMb, 'MB');
    report.row(`(${name}: latest that a timer came)`, lagMs, 'ms');
  }
  report.row('(idle: latest that a timer came)', idle.lagMs, 'ms');
  rmSync(path, { recursive: true });
}

/** A peer is no dependency of ours: it lives in the temporary folder. */
function installChokidar(folder, report) {
  const prefix = join(folder, 'peer');
  mkdirSync(prefix);
  execFileSync('npm', ['install', '--silent', '--no-audit', '--no-fund', '--prefix', prefix, CHOKIDAR]);
  const place = join(prefix, 'node_modules', 'chokidar');
  const { version, exports, main } = JSON.parse(readFileSync(join(place, 'package.json'), 'utf8'));
  report.version('chokidar', version);
  const entry = exports?.['.']?.import?.default ?? exports?.['.']?.default ?? exports?.['.'] ?? main;
  return join(place, typeof entry === 'string' ? entry : (main ?? 'index.js'));
}
