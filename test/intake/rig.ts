import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type {
  Config,
  DirectorySource,
  EverySource,
  LogSource,
  ScheduleSource,
  SourceConfig,
  TaskConfig,
} from '../../src/config/config.js';
import { type FileAccess, systemFiles } from '../../src/intake/file-access.js';
import { RejectCopies } from '../../src/intake/reject-copies.js';
import { type PolledReads, SourcePoller } from '../../src/intake/source-poller.js';
import type { Clock } from '../../src/platform/clock.js';
import { createLog } from '../../src/platform/log.js';
import { type ClockTrust, TRUSTED_CLOCK } from '../../src/policy/clock-trust.js';
import type { Store } from '../../src/store/engine.js';
import type { IntakeStore } from '../../src/store/intake-contract.js';
import { openStore } from '../../src/store/open.js';
import type { JobSummary } from '../../src/store/read-contract.js';
import { FakeClock } from '../support/fake-clock.js';
import { tempFolder } from '../support/temp-folder.js';

const BASE = {
  workspace: 'default',
  pollMs: 2_000,
  task: 'work',
  priority: 0,
  key: 'id',
  version: null,
  onChange: 'ignore',
  require: null,
  route: [],
  quarantineAfterMs: 60_000,
  maxRecordBytes: 1024 * 1024,
  maxDepth: 64,
  followSymlinks: false,
  shared: false,
  network: false,
} as const;

export function logSource(path: string, changes: Partial<LogSource> = {}): LogSource {
  return { ...BASE, kind: 'log', name: 'log', path, ...changes };
}

export function directorySource(path: string, changes: Partial<DirectorySource> = {}): DirectorySource {
  const own = { kind: 'directory', name: 'files', match: '*.json', exclude: [], after: 'keep' } as const;
  return { ...BASE, ...own, path, ...changes };
}

export function scheduleSource(path: string, changes: Partial<ScheduleSource> = {}): ScheduleSource {
  const own = { kind: 'schedule', name: 'playout', timezone: null, missedRuns: 0, stopAtEnd: false } as const;
  return { ...BASE, ...own, path, ...changes };
}

export function everySource(every: string, changes: Partial<EverySource> = {}): EverySource {
  const own = { kind: 'every', name: 'nightly', timezone: null, missedRuns: 0, payloadText: '{}' } as const;
  return { ...BASE, ...own, key: null, path: '/etc/dogged.config.yaml', every, ...changes };
}

function task(name = 'work', changes: Partial<TaskConfig> = {}): TaskConfig {
  return {
    name,
    runner: { kind: 'command', argv: ['true'], shell: false },
    timeoutMs: 60_000,
    killGraceMs: 1_000,
    concurrency: 1,
    group: null,
    retry: { attempts: 3, backoff: { minMs: 1, maxMs: 1 } },
    breaker: { dependency: name, after: 5, cooldownMs: 30_000, probe: null },
    env: {},
    verify: null,
    outputBytes: 1_024,
    fleetConcurrency: null,
    ...changes,
  };
}

export interface Rig {
  readonly folder: string;
  readonly state: string;
  readonly clock: FakeClock;
  readonly store: Store;
  /** One poll of the source; true when nothing is waited for. */
  poll(): Promise<boolean>;
  /** Polls after moving the clock by one poll interval, so often. */
  polls(times: number): Promise<void>;
  /** As after a restart of the worker: a reader that knows only what the store remembers. */
  restart(changes?: Partial<SourceConfig>): void;
  readonly poller: SourcePoller;
  jobs(): Promise<readonly JobSummary[]>;
  keys(): Promise<string[]>;
  payloads(): Promise<unknown[]>;
  /** What was logged at info and above. */
  readonly lines: string[];
  /** Beside that: what the trace says of each hand-off. */
  readonly handOffs: string[];
}

export interface RigOptions {
  readonly folder?: string;
  readonly files?: FileAccess;
  readonly tasks?: readonly TaskConfig[];
  readonly clock?: Clock;
  readonly clockTrust?: ClockTrust;
  readonly wallMs?: number;
  /** Puts faults between the source and its store. */
  readonly wrapStore?: (store: Store) => IntakeStore;
}

/** A real store in a fresh folder and one source that is polled by hand, under a clock that stands still. */
export async function createRig(
  makeSource: (folder: string) => SourceConfig,
  options: RigOptions = {},
): Promise<Rig> {
  const folder = options.folder ?? tempFolder();
  const state = tempFolder();
  // Files are stamped by the kernel's clock, so the wall time that racy stamps are compared with is the real one.
  const fake =
    options.clock instanceof FakeClock ? options.clock : new FakeClock(options.wallMs ?? realWallMs());
  const clock = options.clock ?? fake;
  const store = await openStore(state, 'worker', clock);
  onTestFinished(() => store.close());
  const lines: string[] = [];
  const log = createLog('silent');
  const handOffs: string[] = [];
  log.info = capture(lines, handOffs);
  log.warn = capture(lines, handOffs);
  log.error = capture(lines, handOffs);
  const source = makeSource(folder);
  const parts = {
    tasks: options.tasks ?? [task()],
    store: options.wrapStore === undefined ? store : { ...reads(store), ...options.wrapStore(store) },
    clock,
    clockTrust: options.clockTrust ?? TRUSTED_CLOCK,
    log,
    copies: new RejectCopies(state, log),
    files: options.files ?? systemFiles,
    onQueued: () => undefined,
  };
  let poller = new SourcePoller(source, parts);
  const rig: Rig = {
    folder,
    state,
    clock: fake,
    store,
    lines,
    handOffs,
    get poller() {
      return poller;
    },
    poll: () => poller.pollOnce(),
    async polls(times) {
      for (let n = 0; n < times; n += 1) {
        await fake.advance(source.pollMs);
        await poller.pollOnce();
      }
    },
    restart(changes = {}) {
      poller = new SourcePoller({ ...source, ...changes } as SourceConfig, parts);
    },
    jobs: async () => [...(await store.list({ limit: 100_000 }))].reverse(),
    keys: async () => (await rig.jobs()).map((job) => job.key),
    payloads: async () => (await rig.jobs()).map((job) => JSON.parse(job.payload.bytes.toString())),
  };
  return rig;
}

function reads(store: Store): PolledReads {
  return {
    account: (scope, records, nowMs) => store.account(scope, records, nowMs),
    knowsRejects: (scope, rejects) => store.knowsRejects(scope, rejects),
  };
}

function capture(lines: string[], handOffs: string[]) {
  return (...args: unknown[]) => {
    const line = args.map((arg) => (typeof arg === 'string' ? arg : JSON.stringify(arg))).join(' ');
    (line.includes('"checkpoint"') ? handOffs : lines).push(line);
  };
}

/** The time that file stamps are made with. */
function realWallMs(): number {
  return Date.now();
}

export function configOf(sources: readonly SourceConfig[], state: string, tasks = [task()]): Config {
  return {
    file: join(state, 'dogged.config.yaml'),
    folder: state,
    workspace: 'default',
    stateFolder: state,
    site: 'here',
    redis: null,
    leaseMs: 30_000,
    pollMs: 50,
    slots: 1,
    heartbeat: { everyMs: 1_000, folder: state },
    keepMs: 1_000_000,
    reconcileMs: 1_000_000,
    pressure: { memoryAbove: null, diskBelowBytes: null },
    alerts: [],
    backups: { everyMs: 1, keep: 1 },
    clock: { trust: 'auto', timeoutMs: 120_000 },
    metrics: { listen: null, textfile: null },
    shutdownGraceMs: 1_000,
    logs: { level: 'info', sizeBytes: 1_000_000, keep: 1 },
    health: {
      freshMs: 1,
      stuckMs: 1,
      stallAfterMs: 1,
      idleStuckAfterMs: 1,
      pendingWarnMs: 1,
      poisonAfter: 3,
      restarts: { limit: 1, withinMs: 1, backoff: { minMs: 1, maxMs: 1 } },
    },
    sources,
    tasks,
  };
}
