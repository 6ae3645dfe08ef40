/** Runs what waits in our store through the real dispatcher with a real config, and says when it is done. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../../../dist/config/load.js';
import { createDispatcher } from '../../../dist/dispatch/loop.js';
import { WorkerCounts } from '../../../dist/metrics/worker-counts.js';
import { systemClock as clock } from '../../../dist/platform/clock.js';
import { createLog } from '../../../dist/platform/log.js';
import { openOwned, TASK } from './dogged-store.mjs';

/** Answers all that came in one chunk with one write. */
const SERVICE = `
let rest = '';
process.stdin.setEncoding('utf8').on('data', (chunk) => {
  const lines = (rest + chunk).split('\\n');
  rest = lines.pop();
  const answers = lines.map((line) => '{"id":"' + JSON.parse(line).id + '","ok":true}\\n');
  if (answers.length > 0) process.stdout.write(answers.join(''));
});
`;
const MODULE = 'export default function nothing() {}\n';
const LARGEST_PIPELINE = 256;

/** A store and a dispatcher of one task of this kind: `service`, `module` or `command`. */
export async function openDogged(folder, kind, slots) {
  const runner = runnerOf(kind, folder, slots);
  const file = join(folder, 'dogged.config.json');
  const task = { ...runner, retry: { attempts: 1, backoff: '1ms..1ms' } };
  writeFileSync(file, JSON.stringify({ slots, sources: {}, tasks: { [TASK]: task } }));
  const config = await loadConfig(file, {});
  const { store, epoch, storeId, nonce } = await openOwned(config.stateFolder);
  const log = createLog('warn');
  const clockTrust = { isSuspect: () => null };
  const dispatcher = createDispatcher({
    config,
    store,
    clock,
    log,
    epoch,
    storeId,
    nonce,
    breakers: [],
    clockTrust,
    observer: new WorkerCounts(config),
  });
  return {
    store,
    start: () => dispatcher.start(),
    stop: () => dispatcher.stop(1_000),
    /** Resolves when so many jobs are completed. */
    async upTo(count) {
      while (dispatcher.counters.completed < count) {
        if (dispatcher.counters.failed > 0) throw new Error(`${dispatcher.counters.failed} jobs failed`);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      return dispatcher.counters;
    },
  };
}

function runnerOf(kind, folder, slots) {
  const pipeline = Math.min(slots, LARGEST_PIPELINE);
  switch (kind) {
    case 'service': {
      const file = join(folder, 'service.cjs');
      writeFileSync(file, SERVICE);
      return { service: [process.execPath, file], pipeline };
    }
    case 'module': {
      writeFileSync(join(folder, 'module.mjs'), MODULE);
      return { module: './module.mjs', pipeline };
    }
    default:
      return { run: ['true'] };
  }
}
