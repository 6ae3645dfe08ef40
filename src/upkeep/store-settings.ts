import type { Config } from '../config/config.js';
import type { Log } from '../platform/log.js';
import type { TaskSettings } from '../store/contract.js';
import type { RedisWatch } from './redis-watch.js';

/* What a store is told of the config. */

export function workspacesOf(config: Config): string[] {
  return [...new Set([config.workspace, ...config.sources.map((source) => source.workspace)])];
}

export function taskSettingsOf(config: Config): TaskSettings[] {
  return config.tasks.map((task) => ({
    task: task.name,
    groupLimit: task.group?.limit ?? null,
    maxAttempts: task.retry.attempts,
    breaker: task.breaker.dependency,
  }));
}

/** What is to hold where jobs run through Redis. */
export function redisOf<E>(config: Config, events: E) {
  const { redis: url, site, leaseMs, reconcileMs } = config;
  const { poisonAfter } = config.health;
  const fleetConcurrency = config.tasks.map(({ name, fleetConcurrency: limit }) => ({ task: name, limit }));
  const sharedSources = config.sources.filter(({ shared }) => shared).map(({ name }) => name);
  return {
    url,
    settings: { site, leaseMs, reconcileMs, poisonAfter, fleetConcurrency, sharedSources },
    events,
  };
}

interface DualWriteCounts {
  dualWritten(workspace: string, result: string, jobs: number): void;
}

/** What whoever moves jobs between stores is told of the config, and tells. */
export function moverOf(config: Config, redis: RedisWatch, counts: DualWriteCounts, log: Log) {
  const { url: configured, settings, events } = redisOf(config, redis.events);
  let warning: string | null = null;
  return {
    configured,
    settings,
    events,
    onStore: redis.moveTo,
    mirrorEvents: {
      onResult: counts.dualWritten.bind(counts),
      onMirror: (problem: string | null) => {
        if (problem === null) log.warn('The mirror follows again');
        else
          log.warn(
            { problem },
            `The mirror does not follow: ${problem}; it is tried again, and no job waits for it`,
          );
      },
      onMirrorWarning: (text: string) => {
        if (text !== warning) log.warn(text);
        warning = text;
      },
      onMirrorError: events.onRemoteError,
    },
  };
}
