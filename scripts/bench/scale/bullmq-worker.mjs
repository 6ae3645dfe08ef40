/*
 * One process of plain BullMQ. Told over IPC to begin; tells when its first job began, and how many it has completed.
 *   node bullmq-worker.mjs PORT SLOTS HANDLER
 */
import { pathToFileURL } from 'node:url';
import { Worker } from 'bullmq';

const TELL_MS = 20;

const [, , port, slots, handler] = process.argv;
const { default: handle } = await import(pathToFileURL(handler).href);
const seen = { completed: 0, firstMs: Number.POSITIVE_INFINITY, lastMs: 0 };
const worker = new Worker(
  'nothing',
  async (job) => {
    if (seen.firstMs === Number.POSITIVE_INFINITY) seen.firstMs = Date.now();
    return handle(job.data);
  },
  {
    connection: { host: '127.0.0.1', port: Number(port), maxRetriesPerRequest: null },
    concurrency: Number(slots),
    autorun: false,
  },
);
worker.on('error', console.error);
worker.on('completed', () => {
  seen.completed += 1;
  seen.lastMs = Date.now();
});
await worker.waitUntilReady();
let told = -1;
setInterval(() => {
  if (seen.completed === told || seen.completed === 0) return;
  told = seen.completed;
  process.send(seen);
}, TELL_MS);
process.once('message', () => {
  worker.run().catch((error) => {
    console.error(error);
    process.exit(1);
  });
});
process.once('disconnect', () => process.exit(0));
process.once('SIGTERM', () => process.exit(0));
process.send({ ready: true });
