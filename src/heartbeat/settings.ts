import type {
  AlertConfig,
  AlertWay,
  Config,
  HealthConfig,
  MetricsConfig,
  TaskConfig,
} from '../config/config.js';
import { writeFileAtomic } from '../platform/atomic-file.js';
import { readStateFile, type StateFile } from './read-state-file.js';
import { amount, type Check, count, listOf, oneOf, optional, orNull, shapeOf, text } from './shape.js';
import { stateFiles } from './state-files.js';

/**
 * What the monitor and the screens need of the config, as the running worker understood it. They load no config of
 * their own, so they start quickly, stay small and go on working when the config is broken.
 */
export interface Settings {
  readonly schema: 1;
  readonly configFile: string;
  readonly heartbeatFolder: string;
  readonly heartbeatEveryMs: number;
  /** The quickest source; null when there is none: then no poll can be expected. */
  readonly pollMs: number | null;
  readonly health: HealthConfig;
  readonly logs: Config['logs'];
  /** Missing where an older worker wrote them. */
  readonly backups?: Config['backups'];
  readonly alerts?: Config['alerts'];
  /** Where no further job is begun; null: never. */
  readonly diskBelowBytes?: number | null;
  readonly metrics?: MetricsConfig;
  /** What the config has, beside its tasks: metrics tell of nothing else by name. */
  readonly names?: ConfiguredNames;
  readonly shutdownGraceMs: number;
  readonly slots: number;
  readonly tasks: readonly TaskLimits[];
}

/** What bounds a task: enough to say why its jobs wait, and how long one may run. */
export interface TaskLimits extends Pick<TaskConfig, 'name' | 'concurrency' | 'timeoutMs' | 'group'> {
  readonly runner: { readonly kind: string; readonly workers?: number; readonly pipeline?: number };
}

export interface ConfiguredNames {
  readonly workspaces: readonly string[];
  readonly sources: readonly string[];
  readonly dependencies: readonly string[];
}

/** Written by each worker at its start, before its first beat. */
export function writeSettings(config: Config): void {
  const settings: Settings = {
    schema: 1,
    configFile: config.file,
    heartbeatFolder: config.heartbeat.folder,
    heartbeatEveryMs: config.heartbeat.everyMs,
    pollMs: config.sources.length === 0 ? null : Math.min(...config.sources.map((source) => source.pollMs)),
    health: config.health,
    logs: config.logs,
    backups: config.backups,
    alerts: config.alerts,
    diskBelowBytes: config.pressure.diskBelowBytes,
    metrics: config.metrics,
    names: namesIn(config),
    shutdownGraceMs: config.shutdownGraceMs,
    slots: config.slots,
    tasks: config.tasks.map(limitsOf),
  };
  writeFileAtomic(stateFiles(config.stateFolder).settings, `${JSON.stringify(settings)}\n`);
}

export function namesIn({ workspace, sources, tasks }: Config): ConfiguredNames {
  const once = (names: readonly string[]) => [...new Set(names)];
  return {
    workspaces: once([workspace, ...sources.map((source) => source.workspace)]),
    sources: sources.map(({ name }) => name),
    dependencies: once(tasks.map(({ breaker }) => breaker.dependency)),
  };
}

function limitsOf({ name, concurrency, timeoutMs, group, runner }: TaskConfig): TaskLimits {
  const { kind } = runner;
  return {
    name,
    concurrency,
    timeoutMs,
    group,
    runner: 'workers' in runner ? { kind, workers: runner.workers, pipeline: runner.pipeline } : { kind },
  };
}

export function readSettings(stateFolder: string): StateFile<Settings> {
  return readStateFile<Settings>(stateFiles(stateFolder).settings, checkSettings);
}

/** What holds until a worker has said otherwise: the defaults of the config. */
export function defaultSettings(stateFolder: string, configFile: string): Settings {
  return {
    schema: 1,
    configFile,
    heartbeatFolder: stateFolder,
    heartbeatEveryMs: 30_000,
    pollMs: null,
    health: {
      freshMs: 60_000,
      stuckMs: 120_000,
      stallAfterMs: 15_000,
      idleStuckAfterMs: 120_000,
      pendingWarnMs: 300_000,
      poisonAfter: 3,
      restarts: { limit: 10, withinMs: 600_000, backoff: { minMs: 1_000, maxMs: 300_000 } },
    },
    logs: { level: 'info', sizeBytes: 10 * 1024 * 1024, keep: 5 },
    shutdownGraceMs: 30_000,
    slots: 4,
    tasks: [],
  };
}

const address: Check = (value, at) =>
  typeof value === 'string' && URL.canParse(value) ? null : `${at} is not an address`;

const checkSettings = shapeOf<Settings>({
  schema: oneOf(1),
  configFile: text,
  heartbeatFolder: text,
  heartbeatEveryMs: amount,
  pollMs: orNull(amount),
  health: shapeOf<HealthConfig>({
    freshMs: amount,
    stuckMs: amount,
    stallAfterMs: amount,
    idleStuckAfterMs: amount,
    pendingWarnMs: amount,
    poisonAfter: count,
    restarts: shapeOf<HealthConfig['restarts']>({
      limit: count,
      withinMs: amount,
      backoff: shapeOf<HealthConfig['restarts']['backoff']>({ minMs: amount, maxMs: amount }),
    }),
  }),
  logs: shapeOf<Config['logs']>({ level: text, sizeBytes: count, keep: count }),
  backups: optional(shapeOf<Config['backups']>({ everyMs: amount, keep: count })),
  alerts: optional(
    listOf(
      shapeOf<AlertConfig>({
        on: listOf(text),
        via: shapeOf<AlertWay & { argv?: unknown; url?: unknown }>({
          kind: oneOf('exec', 'webhook'),
          argv: optional(listOf(text)),
          url: optional(address),
        }),
      }),
    ),
  ),
  diskBelowBytes: optional(orNull(amount)),
  metrics: optional(
    shapeOf<MetricsConfig>({
      listen: orNull(shapeOf<NonNullable<MetricsConfig['listen']>>({ host: text, port: count })),
      textfile: orNull(text),
    }),
  ),
  names: optional(
    shapeOf<ConfiguredNames>({
      workspaces: listOf(text),
      sources: listOf(text),
      dependencies: listOf(text),
    }),
  ),
  shutdownGraceMs: amount,
  slots: count,
  tasks: listOf(
    shapeOf<TaskLimits>({
      name: text,
      concurrency: count,
      timeoutMs: amount,
      group: orNull(shapeOf<NonNullable<TaskLimits['group']>>({ by: text, limit: count })),
      runner: shapeOf<TaskLimits['runner']>({
        kind: text,
        workers: optional(count),
        pipeline: optional(count),
      }),
    }),
  ),
});
