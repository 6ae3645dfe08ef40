import { z } from 'zod';
import { alertsSchema } from './alert-schema.js';
import { metricsSchema } from './metrics-schema.js';
import {
  backoff,
  duration,
  integer,
  name,
  percent,
  site,
  size,
  store,
  text,
  workspace,
} from './schema-values.js';
import { sourceSchema } from './source-schema.js';
import { taskSchema } from './task-schema.js';

/*
 * What a user may write, with the defaults, their units and their reasons. The descriptions are shipped to editors.
 * `.prefault(x)` is a default as the user would write it. Every message completes "<path> …": it begins with "must".
 */

const healthSchema = z
  .strictObject(
    {
      fresh: duration('100ms', '1d')
        .prefault('60s')
        .describe('A beat younger than this is fresh: two beats may be late.'),
      stuck: duration('200ms', '1d')
        .prefault('120s')
        .describe('Without progress for so long the worker is stuck and is restarted.'),
      stallAfter: duration('1s', '1h')
        .prefault('15s')
        .describe('An event loop that is blocked for so long is examined, named, and its worker replaced.'),
      idleStuckAfter: duration('100ms', '1d')
        .prefault('120s')
        .describe('Work that could run, free slots, and no claim for so long: stuck too.'),
      pendingWarn: duration('100ms', '30d')
        .prefault('5m')
        .describe('A job that could run and waits longer is a warning, with its reason.'),
      poisonAfter: integer(1, 100)
        .prefault(3)
        .describe(
          'Deaths of the worker under one job, the last while it ran alone: it is a dead letter then.',
        ),
      restarts: z
        .strictObject(
          {
            limit: integer(1, 1000)
              .prefault(10)
              .describe('Fruitless starts within `within`, after which the monitor gives up and says so.'),
            within: duration('1s', '1d')
              .prefault('10m')
              .describe('The span in which fruitless starts are counted.'),
            backoff: backoff.prefault('1s..5m').describe('Pause after each fruitless start.'),
          },
          'must be such as { limit: 10, within: 10m, backoff: 1s..5m }',
        )
        .prefault({}),
    },
    'must be such as { fresh: 60s, stuck: 120s }',
  )
  .prefault({});

const HEARTBEAT_ERROR = 'must be a duration from 100ms to 10m, or { every: 5s, dir: /run/dogged }';
const heartbeatEvery = duration('100ms', '10m');
const heartbeatSchema = z
  .union(
    [heartbeatEvery, z.strictObject({ every: heartbeatEvery.prefault('30s'), dir: text.optional() })],
    HEARTBEAT_ERROR,
  )
  .prefault('30s')
  .describe(
    'How often the worker writes heartbeat.json. With { every, dir } it goes to another folder, such as one in memory, which spares an SD card.',
  );

const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

export const configSchema = z.strictObject(
  {
    $schema: z.string().optional().describe('Only for editors.'),
    workspace: workspace.prefault('default'),
    site: site.optional(),
    state: text
      .prefault('./state')
      .describe('Folder for the database, the logs and the heartbeat; on a local disk.'),
    poll: duration('10ms', '1h')
      .prefault('2s')
      .describe('How often each source is looked at. A look at a quiet file costs microseconds.'),
    slots: integer(1, 1024)
      .prefault(4)
      .describe('Most jobs at once, all tasks together. Four suit a Raspberry Pi with four cores.'),
    heartbeat: heartbeatSchema,
    store: store.prefault('sqlite'),
    lease: duration('1s', '10m')
      .prefault('30s')
      .describe(
        'With a store on Redis: a job whose machine gives no sign of life for so long is taken over by another.',
      ),
    keep: duration('1s', '3650d')
      .prefault('30d')
      .describe('Ended jobs are pruned after this. Their keys stay known for ever.'),
    reconcile: duration('1s', '1d')
      .prefault('5m')
      .describe('How often the worker holds sources that changed against the ledger as a whole.'),
    shutdownGrace: duration('0s', '1d')
      .prefault('30s')
      .describe('How long running jobs may go on at a stop; what is cut off runs again, uncharged.'),
    memory: z
      .strictObject(
        {
          pauseAbove: percent
            .prefault('90%')
            .describe('While more of the memory is in use, no further job is begun. 100% never pauses.'),
        },
        'must be such as { pauseAbove: 90% }',
      )
      .prefault({}),
    disk: z
      .strictObject(
        {
          pauseBelow: size('0B', '1024GB')
            .prefault('100MB')
            .describe('While less of the disk is free, no further job is begun. 0B never pauses.'),
        },
        'must be such as { pauseBelow: 100MB }',
      )
      .prefault({}),
    clock: z
      .strictObject(
        {
          trust: z
            .enum(['auto', 'always'], 'must be auto or always')
            .prefault('auto')
            .describe(
              'auto: due times are held while the wall clock is suspect, as after the boot of a machine without a clock chip. always: it is believed, whatever it says.',
            ),
          timeout: duration('0s', '1d')
            .prefault('2m')
            .describe('A suspect clock is believed after this, with a warning.'),
        },
        'must be such as { trust: auto, timeout: 2m }',
      )
      .prefault({}),
    backups: z
      .strictObject(
        {
          every: duration('1s', '365d').prefault('24h').describe('How often the database is copied.'),
          keep: integer(0, 1000).prefault(3).describe('Copies that are kept; 0 makes none.'),
        },
        'must be such as { every: 24h, keep: 3 }',
      )
      .prefault({}),
    logs: z
      .strictObject(
        {
          level: z
            .enum(LEVELS, `must be one of ${LEVELS.join(', ')}`)
            .prefault('info')
            .describe('From this level on, lines are written.'),
          size: size('1KB', '1GB')
            .prefault('10MB')
            .describe('A log is rotated before it grows past this: a full SD card is an outage.'),
          keep: integer(0, 100).prefault(5).describe('Rotated files that are kept.'),
        },
        'must be such as { level: info, size: 10MB, keep: 5 }',
      )
      .prefault({}),
    metrics: metricsSchema,
    health: healthSchema,
    alerts: alertsSchema,
    sources: z
      .record(name, sourceSchema, 'must map names to sources')
      .prefault({})
      .describe('What is polled.'),
    tasks: z.record(name, taskSchema, 'must map names to tasks').prefault({}).describe('What runs the jobs.'),
  },
  'must hold settings such as sources and tasks',
);

/** A config as it is written by hand: durations and sizes are texts with units, everything with a default may be left out. */
export type ConfigInput = z.input<typeof configSchema>;

/** A valid config with defaults filled in, before names and paths are resolved. */
export type ParsedConfig = z.output<typeof configSchema>;
