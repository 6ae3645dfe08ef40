#!/usr/bin/env node
/*
 * The live screen of `dogged queue` on a terminal: how long until its first picture, beside the start of Node itself
 * (`node -e 0`, the two in turn), and in CPU time, which other load leaves alone; and how much of a core it takes while it is open: over a queue at rest, and over one in
 * which another process commits all the time.
 *
 *   node scripts/bench/screen.mjs [--rounds 9] [--jobs 5000] [--seconds 20] [--json]
 *
 * Needs dist/ (npm run build) and `script` from util-linux, which makes the terminal.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ledgerHash, takeSnapshot } from '../../dist/job/snapshot.js';
import { systemClock } from '../../dist/platform/clock.js';
import { openStore } from '../../dist/store/open.js';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '9' },
    jobs: { type: 'string', default: '5000' },
    seconds: { type: 'string', default: '20' },
    json: { type: 'boolean', default: false },
  },
});
const ADMISSION_BATCH = 1_000;
/** Until what runs only once, the compiler's work above all, is done. */
const SETTLE_MS = 5_000;
const COMMIT_EVERY_MS = 20;
const TICKS_PER_SECOND = 100;
const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

const folder = mkdtempSync(join(tmpdir(), 'dogged-bench-'));
let made = 0;
try {
  writeFileSync(join(folder, 'dogged.config.yaml'), 'sources: {}\n');
  const store = await openStore(join(folder, 'state'), 'command', systemClock);
  while (made < Number(options.jobs)) await admit(store, ADMISSION_BATCH);
  const node = [];
  const frame = [];
  const cpu = [];
  for (let round = 0; round < Number(options.rounds); round += 1) {
    const beganMs = systemClock.monotonicMs();
    spawnSync(process.execPath, ['-e', '0']);
    node.push(systemClock.monotonicMs() - beganMs);
    const screen = await openScreen();
    frame.push(screen.firstFrameMs);
    cpu.push(screen.cpuMs);
    await screen.quit();
  }
  const restPercent = await percentOfCore(async (ms) => sleep(ms));
  const busyPercent = await percentOfCore(async (ms) => {
    for (const endMs = systemClock.monotonicMs() + ms; systemClock.monotonicMs() < endMs; ) {
      await admit(store, 1);
      await sleep(COMMIT_EVERY_MS);
    }
  });
  await store.close();
  const [nodeMs, firstFrameMs, cpuMs] = [node, frame, cpu].map(median);
  const ratio = Math.round((firstFrameMs / nodeMs) * 100) / 100;
  const result = { nodeMs, firstFrameMs, ratio, cpuMs, restPercent, busyPercent };
  if (options.json) console.log(JSON.stringify(result));
  else
    console.log(
      `node -e 0: ${nodeMs} ms · first picture: ${firstFrameMs} ms (wanted: under 400), ${ratio} times that, ${cpuMs} ms of CPU · of a core at rest: ${restPercent} %, while all changes: ${busyPercent} % (wanted: under 3)`,
    );
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function openScreen() {
  const beganMs = systemClock.monotonicMs();
  const command = `stty rows 24 columns 80; exec "${process.execPath}" "${cli}" queue`;
  const terminal = spawn('script', ['-qec', command, '/dev/null'], {
    cwd: folder,
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, TERM: 'xterm-256color' },
  });
  const ended = new Promise((resolve) => terminal.once('close', resolve));
  await new Promise((resolve, reject) => {
    let drawn = '';
    terminal.once('error', reject);
    terminal.once('close', () => reject(new Error(`no picture, but: ${drawn}`)));
    terminal.stdout.on('data', (part) => {
      drawn += part;
      if (drawn.includes('quit')) resolve();
      if (drawn.length > 1e6) drawn = '';
    });
  });
  return {
    firstFrameMs: systemClock.monotonicMs() - beganMs,
    cpuMs: (ticksOf(nodeUnder(terminal.pid)) * 1_000) / TICKS_PER_SECOND,
    pid: terminal.pid,
    quit: () => {
      terminal.stdin.write('q');
      return ended;
    },
  };
}

async function percentOfCore(meanwhile) {
  const screen = await openScreen();
  await meanwhile(SETTLE_MS);
  const pid = nodeUnder(screen.pid);
  const [beganMs, before] = [systemClock.monotonicMs(), ticksOf(pid)];
  await meanwhile(Number(options.seconds) * 1_000);
  const usedMs = ((ticksOf(pid) - before) * 1_000) / TICKS_PER_SECOND;
  const percent = (usedMs * 100) / (systemClock.monotonicMs() - beganMs);
  await screen.quit();
  return Math.round(percent * 100) / 100;
}

/** `script` runs a shell, which has become our program. */
function nodeUnder(parent) {
  const child = readdirSync('/proc').find(
    (name) => /^\d+$/.test(name) && statOf(name)?.[1] === String(parent),
  );
  if (child === undefined) throw new Error('the screen has ended');
  return child;
}

function ticksOf(pid) {
  const fields = statOf(pid);
  return Number(fields[11]) + Number(fields[12]);
}

/** The fields of `/proc/PID/stat` after the name, or null for a process that has ended. */
function statOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return null;
    throw error;
  }
}

function admit(store, count) {
  const from = made;
  made += count;
  return store.admit({
    scope: { workspace: 'default', kind: 'source', name: 'ideas' },
    cycle: 'bench',
    records: Array.from({ length: count }, (_, n) => record(from + n)),
    rejects: [],
    rereadPaths: [],
    cursors: [],
    nowMs: systemClock.wallMs(),
  });
}

function record(n) {
  const content = JSON.stringify({ title: `idea ${n}` });
  return {
    key: `idea ${n}`,
    occurrenceIn: null,
    version: { hash: ledgerHash(content), order: null },
    onChange: 'ignore',
    payload: takeSnapshot(Buffer.from(content)),
    task: n % 2 === 0 ? 'implement' : 'rework',
    priority: 0,
    runAtMs: systemClock.wallMs(),
    expiresAtMs: null,
    timeoutMs: null,
    group: null,
    maxAttempts: 5,
  };
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round(sorted[sorted.length >> 1] * 10) / 10;
}
