#!/usr/bin/env node
/*
 * What the pair costs at rest, and how long it takes until a worker that was killed, blocked or frozen is replaced; beside
 * PM2, supervisord and monit, which supervise a Node program that does nothing, each through its documented configuration.
 * Printed: medians, as a table or as JSON.
 *
 *   node scripts/bench/supervise.mjs [--rounds 5] [--idle 60] [--give-up 20] [--pm2 PROGRAM] [--only NAME,…] [--json]
 *
 * Needs dist/ (npm run build). supervisord and monit are used where they are installed; PM2 is named (--pm2), or installed
 * into a temporary folder.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    idle: { type: 'string', default: '60' },
    'give-up': { type: 'string', default: '20' },
    pm2: { type: 'string' },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const GIVE_UP_MS = Number(options['give-up']) * 1_000;
/** A blocked loop is told by dogged's guard, and by monit's heartbeat file, after this; dogged's own beat takes twice that. */
const STALL_S = 5;

/** Registers, beats once a second, and spins for ever once it finds the trigger. */
const VICTIM = `
import { existsSync, rmSync, writeFileSync } from 'node:fs';
const [folder] = process.argv.slice(2);
writeFileSync(folder + '/pid', String(process.pid));
setInterval(() => {
  writeFileSync(folder + '/beat', '');
  if (!existsSync(folder + '/trigger')) return;
  rmSync(folder + '/trigger');
  for (;;);
}, 1_000);
`;

const scratch = mkdtempSync(join(tmpdir(), 'dogged-bench-'));
const SUPERVISORS = {
  dogged,
  pm2,
  supervisord,
  monit,
  'monit + heartbeat file': (folder) => monit(folder, true),
};
const results = [];
try {
  for (const [name, start] of Object.entries(SUPERVISORS)) {
    if (options.only !== undefined && !options.only.split(',').includes(name)) continue;
    const folder = join(scratch, name.replaceAll(/\W+/g, '-'));
    mkdirSync(folder);
    writeFileSync(join(folder, 'victim.mjs'), VICTIM);
    const supervised = start(folder);
    if (supervised === null) {
      results.push({ name, missing: true });
      continue;
    }
    try {
      results.push({ name, ...(await measure(supervised, folder)) });
    } finally {
      supervised.stop();
    }
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
const context = {
  node: process.version,
  cores: cpus().length,
  rounds: Number(options.rounds),
  stallSeconds: STALL_S,
};
if (options.json) console.log(JSON.stringify({ ...context, results }));
else printTable();

async function measure(supervised, folder) {
  await until(() => supervised.pid() !== null, 20_000);
  const idle = await atRest(supervised);
  const kills = [];
  const claims = [];
  for (let round = 0; round < Number(options.rounds); round += 1) {
    // A start that ends within ten seconds counts as fruitless, with all of them in their way.
    await sleep(11_000);
    kills.push(await replacedAfter(supervised, (pid) => process.kill(pid, 'SIGKILL')));
    if (supervised.claim !== undefined) claims.push(await supervised.claim());
  }
  await sleep(11_000);
  const busyMs = await replacedAfter(supervised, () => writeFileSync(join(folder, 'trigger'), ''));
  if (busyMs === null) process.kill(supervised.pid(), 'SIGKILL');
  await sleep(11_000);
  const stopMs = await replacedAfter(supervised, (pid) => process.kill(pid, 'SIGSTOP'));
  return {
    version: supervised.version,
    idle,
    killMs: median(kills),
    claimMs: median(claims),
    busyMs,
    stopMs,
    placeNamed: supervised.placeNamed?.() ?? false,
  };
}

/** From the deed until another process is registered; null when nobody has noticed. */
async function replacedAfter(supervised, deed) {
  const before = supervised.pid();
  const atMs = performance.now();
  deed(before);
  const isReplaced = () => supervised.pid() !== null && supervised.pid() !== before;
  return (await until(isReplaced, GIVE_UP_MS)) ? performance.now() - atMs : null;
}

async function atRest(supervised) {
  await sleep(10_000);
  const processes = supervised.processes();
  const before = Object.values(processes).map(ticksOf);
  const atMs = performance.now();
  await sleep(Number(options.idle) * 1_000);
  const seconds = (performance.now() - atMs) / 1_000;
  return Object.fromEntries(
    Object.entries(processes).map(([role, pid], n) => [
      role,
      // A tick is 10 ms: of a second, 1 %.
      { rssMiB: rssOf(pid), cpuPercent: (ticksOf(pid) - before[n]) / seconds },
    ]),
  );
}

function dogged(folder) {
  const ran = join(folder, 'ran');
  const log = join(folder, 'notes.ndjson');
  writeFileSync(log, '');
  writeFileSync(join(folder, 'other.json'), '[]');
  mkdirSync(join(folder, 'files'));
  writeFileSync(
    join(folder, 'dogged.config.yaml'),
    `heartbeat: 1s
health: { fresh: 2s, stuck: ${2 * STALL_S}s, stallAfter: ${STALL_S}s }
sources:
  notes: { log: ./notes.ndjson, key: title, task: note }
  other: { log: ./other.json, key: title, task: note }
  files: { directory: ./files, match: "*.json", task: note }
tasks:
  note: { run: [touch, ${ran}] }
`,
  );
  const env = { ...process.env, DOGGED_FAILPOINT: `loop.turn:spin:${join(folder, 'trigger')}` };
  const run = (...args) =>
    spawnSync(process.execPath, [cli, ...args], { cwd: folder, env, encoding: 'utf8' });
  run('start');
  const pidIn = (file) => firstLine(join(folder, 'state', file));
  let jobs = 0;
  return {
    version: run('--version').stdout.trim(),
    pid: () => pidIn('worker.pid'),
    processes: () => ({ worker: pidIn('worker.pid'), monitor: pidIn('monitor.pid') }),
    /** Once more, with a record that waits: from the kill until its job runs. */
    async claim() {
      await sleep(11_000);
      rmSync(ran, { force: true });
      const atMs = performance.now();
      process.kill(pidIn('worker.pid'), 'SIGKILL');
      jobs += 1;
      writeFileSync(log, `${JSON.stringify({ title: jobs })}\n`, { flag: 'a' });
      return (await until(() => existsSync(ran), GIVE_UP_MS)) ? performance.now() - atMs : null;
    },
    placeNamed: () => readFileSync(join(folder, 'state', 'recovery.ndjson'), 'utf8').includes('spinForEver'),
    stop: () => run('stop', '--timeout', '5s'),
  };
}

function pm2(folder) {
  let program = options.pm2;
  if (program === undefined) {
    const { status } = spawnSync('npm', ['install', '--silent', '--prefix', join(folder, 'npm'), 'pm2']);
    if (status !== 0) return null;
    program = join(folder, 'npm/node_modules/.bin/pm2');
  }
  const env = { ...process.env, PM2_HOME: join(folder, 'home') };
  const run = (...args) => spawnSync(program, args, { env, encoding: 'utf8' });
  run('start', join(folder, 'victim.mjs'), '--', folder);
  return {
    version: run('--version').stdout.trim().split('\n').at(-1),
    pid: () => firstLine(join(folder, 'pid')),
    processes: () => ({ supervisor: firstLine(join(folder, 'home/pm2.pid')) }),
    stop: () => run('kill'),
  };
}

function supervisord(folder) {
  if (!isInstalled('supervisord')) return null;
  const config = join(folder, 'supervisord.conf');
  writeFileSync(
    config,
    `[supervisord]
nodaemon=true
logfile=${folder}/log
pidfile=${folder}/supervisord.pid
[program:victim]
command=${process.execPath} ${folder}/victim.mjs ${folder}
autorestart=true
`,
  );
  const child = spawn('supervisord', ['-c', config], { stdio: 'ignore' });
  return foreground(child, folder, execFileSync('supervisord', ['--version'], { encoding: 'utf8' }).trim());
}

function monit(folder, withHeartbeat = false) {
  if (!isInstalled('monit')) return null;
  const config = join(folder, 'monitrc');
  const start = `/bin/sh -c 'nohup ${process.execPath} ${folder}/victim.mjs ${folder} >/dev/null 2>&1 &'`;
  const heartbeat = `check file beat with path ${folder}/beat
  if timestamp > ${STALL_S} seconds then exec "/bin/sh -c 'kill -9 $(cat ${folder}/pid)'"
`;
  writeFileSync(
    config,
    `set daemon 1
set idfile ${folder}/id
set statefile ${folder}/state
set pidfile ${folder}/monit.pid
check process victim with pidfile ${folder}/pid
  start program = "${start}"
  stop program = "/bin/sh -c 'kill $(cat ${folder}/pid)'"
${withHeartbeat ? heartbeat : ''}`,
  );
  chmodSync(config, 0o700);
  const child = spawn('monit', ['-I', '-c', config], { stdio: 'ignore' });
  const version = execFileSync('monit', ['-V'], { encoding: 'utf8' }).split('\n')[0];
  return foreground(child, folder, version);
}

function foreground(child, folder, version) {
  return {
    version,
    pid: () => firstLine(join(folder, 'pid')),
    processes: () => ({ supervisor: child.pid }),
    stop() {
      child.kill('SIGKILL');
      const pid = firstLine(join(folder, 'pid'));
      // It may have been left stopped or spinning; it is ours, and was running a moment ago.
      if (pid !== null && commandOf(pid).includes(folder)) process.kill(pid, 'SIGKILL');
    },
  };
}

function isInstalled(program) {
  return spawnSync('which', [program]).status === 0;
}

function firstLine(path) {
  if (!existsSync(path)) return null;
  return Number(readFileSync(path, 'utf8').split('\n')[0]) || null;
}

function commandOf(pid) {
  return existsSync(`/proc/${pid}`) ? readFileSync(`/proc/${pid}/cmdline`, 'utf8') : '';
}

function rssOf(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
}

function ticksOf(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

async function until(condition, withinMs) {
  const endMs = performance.now() + withinMs;
  while (!condition()) {
    if (performance.now() > endMs) return false;
    await sleep(2);
  }
  return true;
}

function median(values) {
  const sorted = values.filter((value) => value !== null && value !== undefined).sort((a, b) => a - b);
  return sorted.length === 0 ? null : sorted[Math.floor(sorted.length / 2)];
}

function printTable() {
  const ms = (value) => (value === null ? `not within ${options['give-up']} s` : `${Math.round(value)} ms`);
  console.log(
    `Node ${context.node}, ${context.cores} cores, ${context.rounds} rounds, stalled after ${STALL_S} s`,
  );
  for (const { name, missing, version, idle, killMs, claimMs, busyMs, stopMs, placeNamed } of results) {
    if (missing) {
      console.log(`${name}: not installed`);
      continue;
    }
    console.log(`${name} (${version})`);
    for (const [role, { rssMiB, cpuPercent }] of Object.entries(idle)) {
      console.log(`  ${role} at rest: ${rssMiB.toFixed(1)} MiB, ${cpuPercent.toFixed(3)} % of a core`);
    }
    console.log(
      `  killed → replaced: ${ms(killMs)}${claimMs === null ? '' : `; → its job runs: ${ms(claimMs)}`}`,
    );
    console.log(`  busy loop → replaced: ${ms(busyMs)}${placeNamed ? ', place named' : ''}`);
    console.log(`  SIGSTOP → replaced: ${ms(stopMs)}`);
  }
}
