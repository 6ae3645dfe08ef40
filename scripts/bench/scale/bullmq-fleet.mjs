/** Plain BullMQ: as many processes, each with its own Worker, and the same handler, called in that process. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Queue } from 'bullmq';
import { payloadText } from '../queue/dogged-store.mjs';
import { cpuOf, HANDLER, paced, readBegun, spent, until, withFleet } from './fleet.mjs';

const PROGRAM = fileURLToPath(new URL('./bullmq-worker.mjs', import.meta.url));
const BATCH = 1_000;
/** As dogged sends them: what has ended leaves Redis. */
const JOB_OPTIONS = { removeOnComplete: true, removeOnFail: true };

export function runBullmq(options) {
  return withFleet(options, async ({ folder, redis, client, start }) => {
    const connection = { host: '127.0.0.1', port: redis.port };
    const queue = new Queue('nothing', { connection });
    queue.on('error', () => undefined);
    const handler = join(folder, 'nothing.mjs');
    writeFileSync(handler, HANDLER);
    const add = (from, count) => queue.addBulk(Array.from({ length: count }, (_, i) => jobOf(from + i)));
    try {
      const workers = Array.from({ length: options.workers }, (_, index) =>
        workerOf(index, handler, options, { folder, redis, start }),
      );
      await Promise.all(workers.map(({ ready }) => ready));
      return await (options.isPaced ? latency : throughput)(workers, add, options, client);
    } finally {
      await queue.close();
    }
  });
}

async function throughput(workers, add, { jobs }, client) {
  for (let from = 0; from < jobs; from += BATCH) await add(from, Math.min(BATCH, jobs - from));
  const children = workers.map(({ child }) => child);
  const before = await cpuOf(children, client);
  for (const { child } of workers) child.send({ run: true });
  await until(() => sum(workers) === jobs, children, 5);
  const cpu = spent(before, await cpuOf(children, client));
  const seconds =
    (Math.max(...workers.map(({ seen }) => seen.lastMs)) -
      Math.min(...workers.map(({ seen }) => seen.firstMs))) /
    1_000;
  return { jobs, seconds, rate: jobs / seconds, cpu };
}

async function latency(workers, add, options) {
  const children = workers.map(({ child }) => child);
  for (const { child } of workers) child.send({ run: true });
  const readyAt = new Map();
  const total = await paced(options, async (from, count) => {
    for (const job of await add(from, count)) readyAt.set(job.data.n, job.timestamp);
  });
  const files = workers.map(({ begun }) => begun);
  const begun = await until(() => complete(readBegun(files), total), children, 100);
  return { waitsMs: [...readyAt].map(([n, readyAtMs]) => begun.get(n) - readyAtMs) };
}

function complete(begun, count) {
  return begun.size >= count ? begun : null;
}

function workerOf(index, handler, { slots, isPaced, isManual }, { folder, redis, start }) {
  const begun = join(folder, `begun-${index}`);
  writeFileSync(begun, '');
  const env = isPaced ? { ...process.env, BEGUN: begun } : process.env;
  const child = start([PROGRAM, String(redis.port), String(slots), handler, isManual ? 'manual' : 'auto'], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env,
  });
  const seen = { completed: 0, firstMs: Number.POSITIVE_INFINITY, lastMs: 0 };
  const ready = new Promise((resolve) => {
    child.on('message', (message) => {
      if (message.ready) resolve();
      else Object.assign(seen, message);
    });
  });
  return { child, seen, begun, ready };
}

function jobOf(n) {
  return { name: 'nothing', data: JSON.parse(payloadText(n)), opts: JOB_OPTIONS };
}

function sum(workers) {
  return workers.reduce((all, { seen }) => all + seen.completed, 0);
}
