import { hostname } from 'node:os';
import { dirname, resolve } from 'node:path';
import { ALERT_KINDS } from './alert-schema.js';
import type {
  AlertConfig,
  BreakerConfig,
  Config,
  RouteRule,
  SourceConfig,
  TaskConfig,
  TaskRunner,
} from './config.js';
import type { ParsedConfig } from './schema.js';
import { breakerSchema } from './task-schema.js';

type ParsedSource = ParsedConfig['sources'][string];
type ParsedTask = ParsedConfig['tasks'][string];

/** Makes of a valid config the form that the program works with: names put into their entries, paths absolute. */
export function resolveConfig(parsed: ParsedConfig, file: string): Config {
  const folder = dirname(file);
  const stateFolder = resolve(folder, parsed.state);
  const { heartbeat, health } = parsed;
  return deepFreeze({
    file,
    folder,
    workspace: parsed.workspace,
    site: parsed.site ?? siteName(hostname()),
    stateFolder,
    redis: parsed.store === 'sqlite' ? null : parsed.store,
    leaseMs: parsed.lease,
    pollMs: parsed.poll,
    slots: parsed.slots,
    heartbeat:
      typeof heartbeat === 'number'
        ? { everyMs: heartbeat, folder: stateFolder }
        : {
            everyMs: heartbeat.every,
            folder: heartbeat.dir === undefined ? stateFolder : resolve(folder, heartbeat.dir),
          },
    keepMs: parsed.keep,
    reconcileMs: parsed.reconcile,
    pressure: pressureLimits(parsed),
    clock: { trust: parsed.clock.trust, timeoutMs: parsed.clock.timeout },
    shutdownGraceMs: parsed.shutdownGrace,
    backups: { everyMs: parsed.backups.every, keep: parsed.backups.keep },
    logs: { level: parsed.logs.level, sizeBytes: parsed.logs.size, keep: parsed.logs.keep },
    metrics: {
      listen: parsed.metrics.listen,
      textfile: parsed.metrics.textfile === null ? null : resolve(folder, parsed.metrics.textfile),
    },
    health: {
      freshMs: health.fresh,
      stuckMs: health.stuck,
      stallAfterMs: health.stallAfter,
      idleStuckAfterMs: health.idleStuckAfter,
      pendingWarnMs: health.pendingWarn,
      poisonAfter: health.poisonAfter,
      restarts: {
        limit: health.restarts.limit,
        withinMs: health.restarts.within,
        backoff: health.restarts.backoff,
      },
    },
    alerts: parsed.alerts.map(resolveAlert),
    sources: Object.entries(parsed.sources).map(([name, source]) =>
      resolveSource(name, source, parsed, file),
    ),
    tasks: Object.entries(parsed.tasks).map(([name, task]) => resolveTask(name, task, parsed, folder)),
  });
}

/** A host may have a name that is none for a site. */
function siteName(host: string): string {
  return (
    host
      .replace(/[^A-Za-z0-9_.-]/g, '-')
      .replace(/^[^A-Za-z0-9]+/, '')
      .slice(0, 64) || 'here'
  );
}

/** At their ends the settings mean "never". */
function pressureLimits({ memory, disk }: ParsedConfig): Config['pressure'] {
  return {
    memoryAbove: memory.pauseAbove >= 1 ? null : memory.pauseAbove,
    diskBelowBytes: disk.pauseBelow === 0 ? null : disk.pauseBelow,
  };
}

function resolveAlert({ on, exec, webhook }: ParsedConfig['alerts'][number]): AlertConfig {
  return {
    on: on ?? ALERT_KINDS,
    via: webhook === undefined ? { kind: 'exec', argv: exec ?? [] } : { kind: 'webhook', url: webhook },
  };
}

function resolveSource(name: string, source: ParsedSource, config: ParsedConfig, file: string): SourceConfig {
  const folder = dirname(file);
  const base = {
    name,
    workspace: source.workspace ?? config.workspace,
    path: resolve(folder, source.directory ?? source.log ?? source.schedule ?? ''),
    pollMs: source.poll ?? config.poll,
    task: source.task,
    priority: source.priority,
    key: source.key ?? null,
    version: source.version ?? null,
    onChange: source.onChange,
    require: source.require ?? null,
    route: source.route.map(resolveRule),
    quarantineAfterMs: source.quarantineAfter,
    maxRecordBytes: source.maxRecord,
    maxDepth: source.maxDepth,
    followSymlinks: source.followSymlinks,
    shared: source.shared,
    network: source.network,
  } as const;
  const timed = { timezone: source.timezone ?? null, missedRuns: missedRuns(source.missed) };
  if (source.log !== undefined) return { kind: 'log', ...base };
  if (source.schedule !== undefined) {
    const { stopAtEnd = false, key = 'id' } = source;
    return { kind: 'schedule', ...base, ...timed, key, stopAtEnd };
  }
  if (source.every !== undefined) {
    const { every, payload = {} } = source;
    return { kind: 'every', ...base, ...timed, path: file, every, payloadText: JSON.stringify(payload) };
  }
  return {
    kind: 'directory',
    ...base,
    match: source.match ?? '*.json',
    exclude: source.exclude ?? [],
    after: source.after ?? 'keep',
  };
}

/** For `missed: all`: a machine that was off for a year must not be flooded. */
const MOST_MADE_UP = 100;

function missedRuns(missed: ParsedSource['missed']): number {
  switch (missed) {
    case undefined:
    case 'skip':
      return 0;
    case 'one':
      return 1;
    case 'all':
      return MOST_MADE_UP;
    default:
      return missed.all;
  }
}

function resolveRule(rule: ParsedSource['route'][number]): RouteRule {
  return {
    when: Object.fromEntries(Object.entries(rule.when).map(([field, allowed]) => [field, [allowed].flat()])),
    task: rule.task ?? null,
    priority: rule.priority ?? null,
    timeoutMs: rule.timeout ?? null,
    group: rule.group ?? null,
  };
}

function resolveTask(name: string, task: ParsedTask, config: ParsedConfig, folder: string): TaskConfig {
  return {
    name,
    runner: resolveRunner(task, folder),
    timeoutMs: task.timeout,
    killGraceMs: task.killGrace,
    concurrency: task.concurrency ?? config.slots,
    fleetConcurrency: task.concurrency ?? null,
    group: task.group ?? null,
    retry: { attempts: task.retry.attempts, backoff: task.retry.backoff },
    breaker: resolveBreaker(name, task, config.tasks),
    env: task.env,
    verify: task.verify ?? null,
    outputBytes: task.output,
  };
}

/** One of those that share a dependency may say how its breaker works; the cross-check has seen to it that no two differ. */
function resolveBreaker(name: string, task: ParsedTask, tasks: ParsedConfig['tasks']): BreakerConfig {
  const dependency = task.dependency ?? name;
  const [speaker, said] = Object.entries(tasks).find(
    ([other, { breaker, dependency: theirs }]) => breaker !== undefined && (theirs ?? other) === dependency,
  ) ?? [name, task];
  const { after, cooldown, probe } = said.breaker ?? breakerSchema.parse({});
  return {
    dependency,
    after,
    cooldownMs: cooldown,
    probe: probe === undefined ? null : { argv: probe, task: speaker, env: said.env },
  };
}

function resolveRunner(task: ParsedTask, folder: string): TaskRunner {
  const { workers = 1, pipeline = 1 } = task;
  if (task.module !== undefined)
    return { kind: 'module', path: resolve(folder, task.module), workers, pipeline };
  if (task.service !== undefined) return { kind: 'service', argv: task.service, workers, pipeline };
  return { kind: 'command', argv: [task.run ?? []].flat(), shell: task.shell };
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const child of Object.values(value)) deepFreeze(child);
  }
  return value;
}
