/*
 * One process of plain BullMQ. Told over IPC to begin; tells when its first job began, and how many it has completed.
 * `auto`: BullMQ's own loop, which ends a job and claims the next in one call. `manual`: each job is claimed and ended by
 * calls of their own (getNextJob, moveToCompleted), as who keeps books of his own must.
 *   node bullmq-worker.mjs PORT SLOTS HANDLER auto|manual
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { Worker } from 'bullmq';

const TELL_MS = 20;
const IDLE_MS = 20;

const [, , port, slots, handler, mode] = process.argv;
const { default: handle } = await import(pathToFileURL(handler).href);
const seen = { completed: 0, firstMs: Number.POSITIVE_INFINITY, lastMs: 0 };
const run = async (job) => {
  if (seen.firstMs === Number.POSITIVE_INFINITY) seen.firstMs = Date.now();
  return handle(job.data);
};
const note = () => {
  seen.completed += 1;
  seen.lastMs = Date.now();
};
const worker = new Worker('nothing', mode === 'auto' ? run : undefined, {
  connection: { host: '127.0.0.1', port: Number(port), maxRetriesPerRequest: null },
  concurrency: Number(slots),
  autorun: false,
});
worker.on('error', console.error);
if (mode === 'auto') worker.on('completed', note);
await worker.waitUntilReady();
let told = -1;
setInterval(() => {
  if (seen.completed === told || seen.completed === 0) return;
  told = seen.completed;
  process.send(seen);
}, TELL_MS);
process.once('message', () => {
  const loops = mode === 'auto' ? [worker.run()] : Array.from({ length: Number(slots) }, byHand);
  Promise.all(loops).catch((error) => {
    console.error(error);
    process.exit(1);
  });
});
process.once('disconnect', () => process.exit(0));
process.once('SIGTERM', () => process.exit(0));
process.send({ ready: true });

async function byHand() {
  for (;;) {
    const token = randomUUID();
    const job = await worker.getNextJob(token, { block: false });
    if (job === undefined || job === null) {
      await sleep(IDLE_MS);
      continue;
    }
    const result = await run(job);
    await job.moveToCompleted(result ?? null, token, false);
    note();
  }
}
