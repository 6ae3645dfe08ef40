#!/usr/bin/env node
/*
 * What dispatch costs: jobs that do nothing, through the real store (synchronous=FULL), from the first claim to the last
 * committed end. Commands stand beside bare execa in a p-queue of the same width; services have no such peer.
 *
 *   node scripts/bench/dispatch.mjs [--commands 600] [--jobs 20000] [--rounds 5] [--slots 2,16,64] [--folder DIR] [--json]
 *
 * Rounds alternate between the peers; medians are compared. Absolute figures belong to one machine. Needs dist/.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import PQueue from 'p-queue';
import { createDispatcher } from '../../dist/dispatch/loop.js';
import { ledgerHash, takeSnapshot } from '../../dist/job/snapshot.js';
import { systemClock as clock } from '../../dist/platform/clock.js';
import { createLog } from '../../dist/platform/log.js';
import { bootId, identifyProcess } from '../../dist/platform/process-identity.js';
import { openStore } from '../../dist/store/open.js';

const { values: options } = parseArgs({
  options: {
    commands: { type: 'string', default: '600' },
    jobs: { type: 'string', default: '20000' },
    rounds: { type: 'string', default: '5' },
    slots: { type: 'string', default: '2,16,64' },
    folder: { type: 'string', default: tmpdir() },
    json: { type: 'boolean', default: false },
  },
});
const COMMANDS = Number(options.commands);
const JOBS = Number(options.jobs);
const ROUNDS = Number(options.rounds);
const ADMISSION_BATCH = 2_000;

const SERVICE = `
process.stdin.on('data', (chunk) => {
  let answers = '';
  for (const line of chunk.toString().split('\\n')) {
    if (line !== '') answers += '{"id":"' + JSON.parse(line).id + '","ok":true}\\n';
  }
  process.stdout.write(answers);
});
`;
const MODULE = 'export default function nothing() {}\n';

const results = [];
const [bare, ours] = await alternate([
  () => bareCommands(COMMANDS, 2),
  () => dispatched({ kind: 'command', argv: ['true'], shell: false }, COMMANDS, 2),
]);
report(`execa + p-queue, 2 at a time`, bare);
report(`dogged, commands, 2 slots`, ours, median(ours) / median(bare));
for (const slots of options.slots.split(',').map(Number)) {
  const runners = {
    service: (folder) => ({
      kind: 'service',
      argv: [process.execPath, join(folder, 'service.mjs')],
      workers: 1,
      pipeline: slots,
    }),
    module: (folder) => ({ kind: 'module', path: join(folder, 'module.mjs'), workers: 1, pipeline: slots }),
  };
  for (const [name, runner] of Object.entries(runners)) {
    const [rates] = await alternate([() => dispatched(runner, JOBS, slots)]);
    report(`dogged, no-op in a ${name}, ${slots} slots`, rates);
  }
}
if (options.json) {
  console.log(
    JSON.stringify({ node: process.version, commands: COMMANDS, jobs: JOBS, rounds: ROUNDS, results }),
  );
}

async function alternate(works) {
  const rates = works.map(() => []);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [index, work] of works.entries()) rates[index].push(await work());
  }
  return rates;
}

async function bareCommands(count, width) {
  const queue = new PQueue({ concurrency: width });
  const startedMs = performance.now();
  for (let n = 0; n < count; n += 1) void queue.add(() => execa('true'));
  await queue.onIdle();
  return (count * 1_000) / (performance.now() - startedMs);
}

/** Admission is not measured: all jobs wait when the clock starts. */
async function dispatched(runner, count, slots) {
  const folder = mkdtempSync(join(options.folder, 'dogged-bench-'));
  const stateFolder = join(folder, 'state');
  mkdirSync(stateFolder, { mode: 0o700 });
  writeFileSync(join(folder, 'service.mjs'), SERVICE);
  writeFileSync(join(folder, 'module.mjs'), MODULE);
  const store = await openStore(stateFolder, 'worker', clock);
  const nonce = 'bench';
  const { epoch, storeId } = await store.takeOwnership(
    { bootId: bootId(), pid: process.pid, startTicks: identifyProcess(process.pid).startTicks, nonce },
    clock.wallMs(),
  );
  const task = {
    name: 'nothing',
    runner: typeof runner === 'function' ? runner(folder) : runner,
    timeoutMs: 60_000,
    killGraceMs: 1_000,
    concurrency: slots,
    group: null,
    retry: { attempts: 1, backoff: { minMs: 1, maxMs: 1 } },
    breaker: { dependency: 'bench', after: 5, cooldownMs: 30_000, probe: null },
    env: {},
    outputBytes: 65_536,
  };
  await store.configureTasks(['default'], [{ task: task.name, groupLimit: null, maxAttempts: 1 }]);
  await admit(store, task.name, count);
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
  const startedMs = performance.now();
  dispatcher.start();
  while (dispatcher.counters.completed < count) await new Promise((resolve) => setTimeout(resolve, 5));
  const rate = (count * 1_000) / (performance.now() - startedMs);
  await dispatcher.stop(1_000);
  await store.close();
  rmSync(folder, { recursive: true, force: true });
  return rate;
}

async function admit(store, task, count) {
  const nowMs = clock.wallMs();
  for (let done = 0; done < count; done += ADMISSION_BATCH) {
    const records = Array.from({ length: Math.min(ADMISSION_BATCH, count - done) }, (_, index) => {
      const payload = takeSnapshot(Buffer.from(`{"title":"job ${done + index}","n":${done + index}}`));
      return {
        key: `job ${done + index}`,
        occurrenceIn: null,
        version: { hash: ledgerHash(payload.bytes), order: null },
        onChange: 'ignore',
        payload,
        task,
        priority: 0,
        runAtMs: nowMs,
        expiresAtMs: null,
        timeoutMs: null,
        group: null,
        maxAttempts: 1,
      };
    });
    const scope = { workspace: 'default', kind: 'task', name: task };
    await store.admit({ scope, cycle: 'bench', records, rejects: [], rereadPaths: [], cursors: [], nowMs });
  }
}

function median(rates) {
  return [...rates].sort((a, b) => a - b)[Math.floor(rates.length / 2)];
}

function report(what, rates, ratio) {
  const jobsPerSecond = Math.round(median(rates));
  results.push({ what, jobsPerSecond, ...(ratio === undefined ? {} : { ratio: Number(ratio.toFixed(2)) }) });
  const beside = ratio === undefined ? '' : `   ${ratio.toFixed(2)} × the line above`;
  if (!options.json) console.log(`${what.padEnd(40)} ${String(jobsPerSecond).padStart(8)} jobs/s${beside}`);
}
