/*
 * The config as the rest of the program sees it: validated, defaults filled in, durations in milliseconds, sizes in
 * bytes, paths absolute, deeply frozen. `schema.ts` says what a user may write; `load.ts` makes this of it.
 */

export interface Config {
  /** The file that this came from; handlers run in its folder. */
  readonly file: string;
  readonly folder: string;
  readonly workspace: string;
  /** Tells this machine from others on the same Redis. */
  readonly site: string;
  readonly stateFolder: string;
  /** Address of Redis, without user and password; null: SQLite alone. */
  readonly redis: string | null;
  /** A claim in Redis that is not renewed for so long is anybody's. */
  readonly leaseMs: number;
  readonly pollMs: number;
  readonly slots: number;
  readonly heartbeat: { readonly everyMs: number; readonly folder: string };
  /** Ended jobs are pruned after this. */
  readonly keepMs: number;
  readonly reconcileMs: number;
  /** When no further job is begun; null for never. */
  readonly pressure: { readonly memoryAbove: number | null; readonly diskBelowBytes: number | null };
  /** Whether due times are held while the wall clock is suspect, and for how long at most. */
  readonly clock: { readonly trust: 'auto' | 'always'; readonly timeoutMs: number };
  readonly shutdownGraceMs: number;
  /** Copies of the database in `state/backups/`; `keep` 0: none. */
  readonly backups: { readonly everyMs: number; readonly keep: number };
  readonly logs: { readonly level: string; readonly sizeBytes: number; readonly keep: number };
  readonly metrics: MetricsConfig;
  readonly health: HealthConfig;
  /** Who is told of what; the health monitor does it. */
  readonly alerts: readonly AlertConfig[];
  readonly sources: readonly SourceConfig[];
  readonly tasks: readonly TaskConfig[];
}

/** Where the worker tells its figures beside `dogged metrics`; null: not there. */
export interface MetricsConfig {
  readonly listen: { readonly host: string; readonly port: number } | null;
  /** Absolute path. */
  readonly textfile: string | null;
}

export interface HealthConfig {
  readonly freshMs: number;
  readonly stuckMs: number;
  /** A loop that has not turned for so long is examined by the hang guard. */
  readonly stallAfterMs: number;
  readonly idleStuckAfterMs: number;
  readonly pendingWarnMs: number;
  /** So many deaths of the worker under a job, at the last of which it ran alone, make it a dead letter. */
  readonly poisonAfter: number;
  readonly restarts: { readonly limit: number; readonly withinMs: number; readonly backoff: Backoff };
}

export type AlertKind = 'stuck' | 'recovered' | 'gave-up' | 'outage' | 'dead-letter' | 'disk' | 'redis';

export interface AlertConfig {
  readonly on: readonly AlertKind[];
  readonly via: AlertWay;
}

export type AlertWay =
  /** A program, run in the config's folder, with the alert on its stdin. */
  | { readonly kind: 'exec'; readonly argv: readonly string[] }
  /** An address to which it is posted. Secrets may stand in any part of it: only its origin is ever shown. */
  | { readonly kind: 'webhook'; readonly url: string };

/** Doubles from `minMs` up to `maxMs`. */
export interface Backoff {
  readonly minMs: number;
  readonly maxMs: number;
}

interface SourceBase {
  readonly name: string;
  readonly workspace: string;
  /** Absolute path of the directory or the file. */
  readonly path: string;
  readonly pollMs: number;
  readonly task: string;
  readonly priority: number;
  /** Field name or JSON pointer; null: records are known by their content. */
  readonly key: string | null;
  readonly version: string | null;
  readonly onChange: 'ignore' | 'rerun';
  /** JSON Schema that a record must meet, or null. */
  readonly require: Readonly<Record<string, unknown>> | null;
  readonly route: readonly RouteRule[];
  readonly quarantineAfterMs: number;
  readonly maxRecordBytes: number;
  readonly maxDepth: number;
  readonly followSymlinks: boolean;
  /** Several machines see it: a record of it is the same job for all. */
  readonly shared: boolean;
  /** On a network mount: time stamps are trusted less. */
  readonly network: boolean;
}

export interface DirectorySource extends SourceBase {
  readonly kind: 'directory';
  readonly match: string;
  readonly exclude: readonly string[];
  /** What becomes of a file once all its records are admitted. */
  readonly after: 'keep' | 'archive' | 'delete';
}

export interface LogSource extends SourceBase {
  readonly kind: 'log';
}

interface TimedSource extends SourceBase {
  /** Zone of times that name none, and of cron expressions; null when the user has named none. */
  readonly timezone: string | null;
  /** How many of the runs that were missed while no worker was there are made up for: 0 for `skip`, 1 for `one`. */
  readonly missedRuns: number;
}

/** A file that is written anew as a whole: each record says when it is to run. */
export interface ScheduleSource extends TimedSource {
  readonly kind: 'schedule';
  /** A job that still runs at the end of its window is stopped. */
  readonly stopAtEnd: boolean;
}

/** One job that comes again and again, without a file of its own: `path` is that of the config. */
export interface EverySource extends TimedSource {
  readonly kind: 'every';
  /** Cron expression. */
  readonly every: string;
  /** What each job is handed, as JSON text. */
  readonly payloadText: string;
}

export type SourceConfig = DirectorySource | LogSource | ScheduleSource | EverySource;

/** First match wins; what a rule leaves out is taken from the source. */
export interface RouteRule {
  /** Field → allowed values. */
  readonly when: Readonly<Record<string, readonly (string | number | boolean | null)[]>>;
  readonly task: string | null;
  readonly priority: number | null;
  readonly timeoutMs: number | null;
  readonly group: string | null;
}

export type TaskRunner =
  /** One child per job. `{{field}}` fills exactly one argument. With `shell`, the one string is a shell command. */
  | { readonly kind: 'command'; readonly argv: readonly string[]; readonly shell: boolean }
  /** Long-lived children that speak NDJSON. */
  | {
      readonly kind: 'service';
      readonly argv: readonly string[];
      readonly workers: number;
      readonly pipeline: number;
    }
  /** A service that we host: absolute path of a module whose default export handles one payload. */
  | { readonly kind: 'module'; readonly path: string; readonly workers: number; readonly pipeline: number };

export interface BreakerConfig {
  /** What the breaker guards: the task's `dependency`, else the task's own name. */
  readonly dependency: string;
  /** Attempts in a row that found it away, after which it opens. */
  readonly after: number;
  readonly cooldownMs: number;
  /** Run in place of a job when the cool-down is over, or null. */
  readonly probe: ProbeConfig | null;
}

export interface ProbeConfig {
  readonly argv: readonly string[];
  /** The task in whose name and environment it runs: the one that says `probe`. */
  readonly task: string;
  readonly env: Readonly<Record<string, string>>;
}

export interface TaskConfig {
  readonly name: string;
  readonly runner: TaskRunner;
  readonly timeoutMs: number;
  readonly killGraceMs: number;
  readonly concurrency: number;
  /** The same for all machines together; null where the config has named none. */
  readonly fleetConcurrency: number | null;
  readonly group: { readonly by: string; readonly limit: number } | null;
  readonly retry: { readonly attempts: number; readonly backoff: Backoff };
  /** The same for all tasks that share a dependency. */
  readonly breaker: BreakerConfig;
  readonly env: Readonly<Record<string, string>>;
  /** Program and arguments that tell whether the work of an attempt was done whose worker died; null: nobody can. */
  readonly verify: readonly string[] | null;
  /** Cap for each of stdout and stderr, per attempt. */
  readonly outputBytes: number;
}
