/** Runs what waits in our store through the real dispatcher, and says how long it took. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createDispatcher } from '../../../dist/dispatch/loop.js';
import { systemClock as clock } from '../../../dist/platform/clock.js';
import { createLog } from '../../../dist/platform/log.js';
import { TASK } from './dogged-store.mjs';

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

export function runnerOf(kind, folder, workers, pipeline) {
  switch (kind) {
    case 'service': {
      const file = join(folder, 'service.mjs');
      writeFileSync(file, SERVICE);
      return { kind, argv: [process.execPath, file], workers, pipeline };
    }
    case 'module': {
      const path = join(folder, 'module.mjs');
      writeFileSync(path, MODULE);
      return { kind, path, workers, pipeline };
    }
    default:
      return { kind: 'command', argv: ['true'], shell: false };
  }
}

/** A dispatcher of one task; `upTo(n)` resolves when n of its jobs are completed. */
export function dispatcherOf(owned, { folder, stateFolder, slots, runner }) {
  const { store, epoch, storeId, nonce } = owned;
  const task = {
    name: TASK,
    runner,
    timeoutMs: 60_000,
    killGraceMs: 1_000,
    concurrency: slots,
    group: null,
    retry: { attempts: 1, backoff: { minMs: 1, maxMs: 1 } },
    breaker: { dependency: TASK, after: 5, cooldownMs: 30_000, probe: null },
    env: {},
    outputBytes: 65_536,
  };
  const dispatcher = createDispatcher({
    config: { folder, stateFolder, slots, tasks: [task] },
    store,
    clock,
    log: createLog('warn'),
    epoch,
    storeId,
    nonce,
    breakers: [],
  });
  return {
    start: () => dispatcher.start(),
    stop: () => dispatcher.stop(1_000),
    async upTo(count) {
      while (dispatcher.counters.completed < count) {
        if (dispatcher.counters.failed > 0) throw new Error(`${dispatcher.counters.failed} jobs failed`);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      return dispatcher.counters;
    },
  };
}
