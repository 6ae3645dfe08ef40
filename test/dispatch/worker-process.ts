import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { onTestFinished } from 'vitest';
import type { TaskConfig } from '../../src/config/config.js';
import { builtCli } from '../support/built-program.js';

/** As much of a worker as can be killed in a test: another process that owns the store and runs jobs. */
const PROGRAM = `
import { join } from 'node:path';
const [dist, folder, config] = process.argv.slice(1);
const load = (name) => import(join(dist, name));
const { openStore } = await load('store/open.js');
const { createDispatcher } = await load('dispatch/loop.js');
const { systemClock: clock } = await load('platform/clock.js');
const { identifyProcess } = await load('platform/process-identity.js');
const { createLog } = await load('platform/log.js');
const nonce = 'of-the-killed-' + process.pid;
const store = await openStore(join(folder, 'state'), 'worker', clock);
const { epoch, storeId } = await store.takeOwnership({ ...identifyProcess(process.pid), nonce }, clock.wallMs());
const { tasks, slots } = JSON.parse(config);
const dispatcher = createDispatcher({
  config: { folder, stateFolder: join(folder, 'state'), slots, tasks, sources: [], health: { poisonAfter: 3 }, pressure: { memoryAbove: null, diskBelowBytes: null } },
  store, clock, epoch, storeId, nonce, breakers: await store.breakers(), clockTrust: { isSuspect: () => null }, log: createLog('debug'),
});
await dispatcher.rescue();
dispatcher.start();
console.log('ready');
`;

export interface WorkerProcess {
  readonly process: ChildProcess;
  /** Resolves when it has ended, by its own fail point or by a signal. */
  readonly ended: Promise<void>;
  stderr(): string;
}

/** Starts a worker on the rig's folder. The rig must not own the store yet. */
export async function startWorkerProcess(
  folder: string,
  tasks: readonly TaskConfig[],
  options: { slots?: number; failpoint?: string } = {},
): Promise<WorkerProcess> {
  mkdirSync(join(folder, 'state'), { recursive: true });
  const dist = dirname(builtCli());
  const config = JSON.stringify({ tasks, slots: options.slots ?? 2 });
  const worker = spawn(
    process.execPath,
    ['--input-type=module', '-e', PROGRAM, pathToFileURL(dist).pathname, folder, config],
    {
      cwd: dirname(dist),
      env: { ...process.env, ...(options.failpoint ? { DOGGED_FAILPOINT: options.failpoint } : {}) },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  onTestFinished(async () => {
    worker.kill('SIGKILL');
    await ended;
  });
  let stderr = '';
  worker.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  await Promise.race([
    new Promise<void>((resolve) => worker.stdout.once('data', () => resolve())),
    ended.then(() => {
      if (options.failpoint === undefined) throw new Error(`the worker did not start: ${stderr}`);
    }),
  ]);
  return { process: worker, ended, stderr: () => stderr };
}
