/** What both contenders need: a folder and a Redis of their own, processes that are ended by their pid, and what these cost. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { startRedis } from '../queue/redis-server.mjs';

const TICKS_PER_SECOND = 100;
const GIVE_UP_MS = 300_000;
const END_WITHIN_MS = 20_000;

/** How often jobs are handed in, when they come at a steady rate. */
export const PACE_MS = 100;

/** Notes when it was called, where the config asks for it: the same function on both sides. */
export const HANDLER = `
import { appendFileSync } from 'node:fs';
const file = process.env.BEGUN;
const begun = [];
if (file !== undefined) {
  setInterval(() => begun.length > 0 && appendFileSync(file, begun.splice(0).join('')), 250).unref();
}
export default function nothing({ n }) {
  if (file !== undefined) begun.push(n + ' ' + Date.now() + '\\n');
}
`;

/** Runs `work` with a Redis and a folder; whatever it starts by `start` is ended, also when it fails. */
export async function withFleet(options, work) {
  const folder = mkdtempSync(join(options.folder, 'dogged-bench-scale-'));
  const children = [];
  let redis = null;
  let client = null;
  try {
    redis = await startRedis(folder, true);
    client = new Redis({ host: '127.0.0.1', port: redis.port });
    const start = (args, spawnOptions) => {
      const child = spawn(process.execPath, args, { stdio: 'ignore', ...spawnOptions });
      child.ended = new Promise((resolve) => {
        child.once('error', resolve);
        child.once('exit', resolve);
      });
      children.push(child);
      return child;
    };
    return await work({ folder, redis, client, start });
  } finally {
    for (const child of children) if (child.exitCode === null) child.kill('SIGTERM');
    await Promise.all(
      children.map((child) => Promise.race([child.ended, sleep(END_WITHIN_MS, undefined, { ref: false })])),
    );
    for (const child of children) if (child.exitCode === null) child.kill('SIGKILL');
    client?.disconnect();
    await redis?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Calls `look` until it answers something; every `everyMs`, so as to cost little. */
export async function until(look, children, everyMs = 20) {
  for (const giveUpAtMs = performance.now() + GIVE_UP_MS; performance.now() < giveUpAtMs; ) {
    const dead = children.find((child) => child.exitCode !== null);
    if (dead !== undefined) throw new Error(`process ${dead.pid} ended with ${dead.exitCode}`);
    const found = await look();
    if (found) return found;
    await sleep(everyMs);
  }
  throw new Error(`it did not come about within ${GIVE_UP_MS / 1_000} s`);
}

/** Seconds of CPU so far, of workers, of what they have started, and of Redis. */
export async function cpuOf(children, client) {
  const sum = (pids) => pids.reduce((all, pid) => all + cpuSeconds(pid), 0);
  const pids = children.map(({ pid }) => pid);
  const info = await client.info('cpu');
  const redis = [...info.matchAll(/used_cpu_(?:user|sys):([\d.]+)/g)].reduce(
    (all, [, seconds]) => all + Number(seconds),
    0,
  );
  return { workers: sum(pids), children: sum(pids.flatMap(childrenOf)), redis };
}

export function spent(before, after) {
  return Object.fromEntries(Object.keys(before).map((name) => [name, after[name] - before[name]]));
}

function childrenOf(pid) {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
}

function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** When each job began, by its number, as handlers have noted it. */
export function readBegun(files) {
  const begun = new Map();
  for (const file of files) {
    for (const line of readFileSync(file, 'utf8').split('\n')) {
      const [n, atMs] = line.split(' ');
      if (atMs !== undefined && !begun.has(Number(n))) begun.set(Number(n), Number(atMs));
    }
  }
  return begun;
}

/** Hands in `rate` jobs a second for so long: `give(from, count)` every `PACE_MS`. */
export async function paced({ rate, seconds }, give) {
  const startMs = performance.now();
  const total = rate * seconds;
  for (let given = 0; given < total; ) {
    await sleep(PACE_MS);
    const due = Math.min(total, Math.floor(((performance.now() - startMs) * rate) / 1_000));
    if (due > given) await give(given, due - given);
    given = due;
  }
  return total;
}
