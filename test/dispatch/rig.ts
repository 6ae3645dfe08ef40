import { randomUUID } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import type { Config, TaskConfig } from '../../src/config/config.js';
import type { Dispatcher, DispatcherOptions } from '../../src/dispatch/dispatcher.js';
import { createDispatcher } from '../../src/dispatch/loop.js';
import type { JobState } from '../../src/job/job.js';
import { stateOfPlace } from '../../src/job/job.js';
import { compactJson, ledgerHash, takeSnapshot } from '../../src/job/snapshot.js';
import { type Clock, systemClock } from '../../src/platform/clock.js';
import { createLog } from '../../src/platform/log.js';
import { bootId, identifyProcess } from '../../src/platform/process-identity.js';
import type { ClockTrust } from '../../src/policy/clock-trust.js';
import type { MachineRoom } from '../../src/policy/pressure.js';
import type { Ownership } from '../../src/store/contract.js';
import type { Store } from '../../src/store/engine.js';
import type { AdmissionRecord } from '../../src/store/intake-contract.js';
import { openStore } from '../../src/store/open.js';
import type { HistoryEntry, JobDetails } from '../../src/store/read-contract.js';
import { builtCli } from '../support/built-program.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';

export const FIXTURES = fileURLToPath(new URL('../fixtures/handlers', import.meta.url));

export interface RigOptions {
  readonly tasks: readonly TaskConfig[];
  readonly slots?: number;
  readonly sources?: Config['sources'];
  readonly folder?: string;
  readonly random?: () => number;
  readonly pressure?: Config['pressure'];
  readonly readRoom?: () => MachineRoom;
  readonly clock?: Clock;
  /** Left out: the clock is always believed. */
  readonly clockTrust?: ClockTrust;
  /** Put between the dispatcher and the real store, to make it fail. */
  readonly wrapStore?: (store: Store) => DispatcherOptions['store'];
  readonly onFatal?: DispatcherOptions['onFatal'];
  readonly onClockJump?: DispatcherOptions['onClockJump'];
  readonly lastKilledByUs?: boolean;
}

/** A dispatcher on the real store, in a temporary folder, with what tests ask of them. */
export interface Rig {
  readonly folder: string;
  readonly stateFolder: string;
  readonly store: Store;
  readonly dispatcher: Dispatcher;
  readonly ownership: Ownership;
  readonly nonce: string;
  /** As `dogged add` does; with `source`, as a record of that source. */
  add(
    task: string,
    payload?: unknown,
    more?: Partial<AdmissionRecord> & { source?: string },
  ): Promise<string>;
  job(id: string): Promise<JobDetails>;
  until(id: string, state: JobState, withinMs?: number): Promise<JobDetails>;
  attempts(id: string): Promise<Extract<HistoryEntry, { kind: 'attempt' }>[]>;
  write(name: string, text: string, mode?: number): string;
  read(name: string): string;
  logged(): string;
}

export function commandTask(
  name: string,
  argv: readonly string[],
  more: Partial<TaskConfig> = {},
): TaskConfig {
  return {
    name,
    runner: { kind: 'command', argv, shell: false },
    timeoutMs: 10_000,
    killGraceMs: 300,
    concurrency: 64,
    group: null,
    retry: { attempts: 3, backoff: { minMs: 5, maxMs: 20 } },
    breaker: { dependency: name, after: 5, cooldownMs: 30_000, probe: null },
    env: {},
    verify: null,
    outputBytes: 65_536,
    fleetConcurrency: null,
    ...more,
  };
}

/** One of the programs in test/fixtures/handlers. */
export function fixtureTask(
  name: string,
  args: readonly string[] = [],
  more: Partial<TaskConfig> = {},
): TaskConfig {
  return commandTask(name, [join(FIXTURES, name), ...args], more);
}

export async function createRig(options: RigOptions): Promise<Rig> {
  const folder = options.folder ?? tempFolder();
  const stateFolder = join(folder, 'state');
  mkdirSync(stateFolder, { recursive: true });
  const logFile = join(stateFolder, 'test.log');
  const log = createLog('debug', { path: logFile, sizeBytes: 10_000_000, keep: 1 });
  const store = await openStore(stateFolder, 'worker', systemClock);
  const nonce = `nonce-${randomUUID()}`;
  const identity = identifyProcess(process.pid);
  const ownership = await store.takeOwnership(
    { bootId: bootId(), pid: process.pid, startTicks: identity?.startTicks ?? 0, nonce },
    systemClock.wallMs(),
  );
  await store.configureTasks(
    ['default'],
    options.tasks.map((task) => ({
      task: task.name,
      groupLimit: task.group?.limit ?? null,
      maxAttempts: task.retry.attempts,
      breaker: task.breaker.dependency,
    })),
  );
  const dispatcher = createDispatcher({
    config: configOf(folder, stateFolder, options),
    store: options.wrapStore?.(store) ?? store,
    clock: options.clock ?? systemClock,
    log,
    epoch: ownership.epoch,
    storeId: ownership.storeId,
    nonce,
    breakers: await store.breakers(),
    clockTrust: options.clockTrust ?? { isSuspect: () => null },
    ...(options.tasks.some(({ runner }) => runner.kind === 'module')
      ? { moduleHost: builtModuleHost() }
      : {}),
    ...(options.random ? { random: options.random } : {}),
    ...(options.readRoom ? { readRoom: options.readRoom } : {}),
    ...(options.onFatal ? { onFatal: options.onFatal } : {}),
    ...(options.onClockJump ? { onClockJump: options.onClockJump } : {}),
    ...(options.lastKilledByUs ? { lastKilledByUs: true } : {}),
  });
  onTestFinished(async () => {
    await dispatcher.stop(0);
    await store.close();
  });

  const rig: Rig = {
    folder,
    stateFolder,
    store,
    dispatcher,
    ownership,
    nonce,
    async add(task, payload = {}, more = {}) {
      const maxAttempts = options.tasks.find(({ name }) => name === task)?.retry.attempts ?? 1;
      const id = await admitJob(store, task, payload, { maxAttempts, ...more });
      dispatcher.nudge();
      return id;
    },
    async job(id) {
      const job = await store.get('default', id);
      if (job === null) throw new Error(`no job ${id}`);
      return job;
    },
    until: (id, state, withinMs = 10_000) => {
      let last = '';
      return until(
        async () => {
          const job = await rig.job(id);
          last = JSON.stringify({ ...job, payload: undefined });
          return stateOfPlace(job.place) === state ? job : null;
        },
        { withinMs, describe: () => `job ${id} is not ${state}: ${last}` },
      );
    },
    async attempts(id) {
      return (await rig.job(id)).history.filter((entry) => entry.kind === 'attempt');
    },
    write(name, text, mode = 0o755) {
      const path = join(folder, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
      chmodSync(path, mode);
      return path;
    },
    read: (name) => readFileSync(join(folder, name), 'utf8'),
    logged: () => readFileSync(logFile, 'utf8'),
  };
  return rig;
}

/** Puts one job into the queue, as `dogged add` does, with a key of its own. */
export async function admitJob(
  store: Store,
  task: string,
  payload: unknown,
  { source, ...more }: Partial<AdmissionRecord> & { source?: string } = {},
): Promise<string> {
  const snapshot = takeSnapshot(compactJson(Buffer.from(JSON.stringify(payload))));
  const nowMs = systemClock.wallMs();
  const report = await store.admit({
    scope: {
      workspace: 'default',
      ...(source === undefined ? { kind: 'task', name: task } : { kind: 'source', name: source }),
    },
    cycle: 'test',
    records: [
      {
        key: randomUUID(),
        occurrenceIn: null,
        version: { hash: ledgerHash(snapshot.bytes), order: null },
        onChange: 'ignore',
        payload: snapshot,
        task,
        priority: 0,
        runAtMs: nowMs,
        expiresAtMs: null,
        timeoutMs: null,
        group: null,
        maxAttempts: 1,
        ...more,
      },
    ],
    rejects: [],
    rereadPaths: [],
    cursors: [],
    nowMs,
  });
  const id = report.committed ? report.answers[0]?.id : null;
  if (id === null || id === undefined) throw new Error('the job was not admitted');
  return id;
}

/** The part of a store that a dispatcher sees, to be changed in a test. */
export function storePart(store: Store): DispatcherOptions['store'] {
  return {
    turn: store.turn.bind(store),
    clockJumped: store.clockJumped.bind(store),
    renew: store.renew.bind(store),
    changedElsewhere: store.changedElsewhere.bind(store),
    orphans: store.orphans.bind(store),
    rescue: store.rescue.bind(store),
  };
}

/** Run from source there is no compiled host: the tests' own build has one. */
function builtModuleHost(): string {
  return join(dirname(builtCli()), 'dispatch', 'module-host.js');
}

/** A whole config around these tasks. */
export function configOf(folder: string, stateFolder: string, options: RigOptions): Config {
  const { tasks, slots = 2, pressure = { memoryAbove: null, diskBelowBytes: null } } = options;
  return {
    file: join(folder, 'dogged.config.yaml'),
    folder,
    workspace: 'default',
    stateFolder,
    site: 'here',
    redis: null,
    leaseMs: 30_000,
    pollMs: 2_000,
    slots,
    heartbeat: { everyMs: 30_000, folder: stateFolder },
    keepMs: 1,
    reconcileMs: 300_000,
    pressure,
    backups: { everyMs: 1, keep: 1 },
    clock: { trust: 'auto', timeoutMs: 120_000 },
    metrics: { listen: null, textfile: null },
    shutdownGraceMs: 1_000,
    logs: { level: 'debug', sizeBytes: 1, keep: 1 },
    alerts: [],
    health: {
      freshMs: 1,
      stuckMs: 1,
      stallAfterMs: 1,
      idleStuckAfterMs: 1,
      pendingWarnMs: 1,
      poisonAfter: 3,
      restarts: { limit: 1, withinMs: 1, backoff: { minMs: 1, maxMs: 1 } },
    },
    sources: options.sources ?? [],
    tasks,
  };
}
