import { z } from 'zod';
import {
  backoff,
  duration,
  field,
  flag,
  integer,
  name,
  percent,
  priority,
  scalar,
  size,
  text,
  words,
  workspace,
} from './schema-values.js';
import { taskSchema } from './task-schema.js';

/*
 * What a user may write, with the defaults, their units and their reasons. The descriptions are shipped to editors.
 * `.prefault(x)` is a default as the user would write it. Every message completes "<path> …": it begins with "must".
 */

const routeRule = z.strictObject(
  {
    when: z
      .record(
        field,
        z.union([scalar, z.array(scalar)], 'must be a value or a list of values'),
        'must map fields to their allowed values',
      )
      .describe('Field → allowed value, or list of them; all fields must match.'),
    task: name.optional().describe('Task for these records; else that of the source.'),
    timeout: duration('100ms', '30d')
      .optional()
      .describe('Time-out for these records; else that of the task.'),
    priority: priority.optional(),
    group: text
      .optional()
      .describe("Group for these records, in place of the value of the task's group field."),
  },
  'must be a rule such as { when: { language: rust }, task: slow }',
);

const sourceSchema = z.strictObject(
  {
    directory: text
      .optional()
      .describe('Folder to poll: each file in it holds one record or an array of records.'),
    match: text
      .refine(
        (glob) => !glob.includes('/'),
        'must be a pattern for file names, without "/": subfolders are not read',
      )
      .optional()
      .describe('Which file names of the folder are read: * ? [abc] {a,b}. Default "*.json".'),
    exclude: words.optional().describe('File names or patterns that are passed over.'),
    after: z
      .enum(['keep', 'archive', 'delete'], 'must be keep, archive or delete')
      .optional()
      .describe(
        'What becomes of a file once all its records are admitted. Default keep: nothing of yours is touched unless you ask.',
      ),
    log: text
      .optional()
      .describe(
        'File to poll: a JSON array or NDJSON, told apart by its first byte; appended to, rewritten or replaced.',
      ),
    key: field
      .optional()
      .describe(
        'Field or JSON pointer that makes a record the same record tomorrow. Without it, a record is known by its content.',
      ),
    version: field
      .optional()
      .describe(
        'Field with a number or date that grows: an older version never runs again. Without it, a version is its content.',
      ),
    onChange: z
      .enum(['ignore', 'rerun'], 'must be ignore or rerun')
      .prefault('ignore')
      .describe(
        'Whether a known record with new content runs again. Default ignore: an edit by accident starts nothing.',
      ),
    require: z
      .record(z.string(), z.unknown(), 'must be a JSON Schema')
      .optional()
      .describe('JSON Schema that a record must meet; a refusal is counted and says what to add.'),
    task: name.describe('Task that handles the records.'),
    route: z
      .array(routeRule, 'must be a list of rules')
      .prefault([])
      .describe('Rules in order; the first that matches sets task, time-out, priority or group.'),
    priority: priority.prefault(0),
    workspace: workspace.optional(),
    poll: duration('10ms', '1h')
      .optional()
      .describe('How often this source is looked at; else the common `poll`.'),
    quarantineAfter: duration('100ms', '30d')
      .prefault('60s')
      .describe(
        'A file that stays unreadable and unchanged so long is reported as a reject. Until then it is being written.',
      ),
    maxRecord: size('1KB', '64MB')
      .prefault('1MB')
      .describe('A larger record is refused, its neighbours are not.'),
    maxDepth: integer(1, 512).prefault(64).describe('A deeper nested record is refused.'),
    followSymlinks: flag
      .prefault(false)
      .describe('Links are refused by default: a link can lead out of the folder you meant.'),
    network: flag
      .prefault(false)
      .describe(
        'Set it for NFS, SMB and other mounts: they are read in a thread of their own, and their time stamps are trusted less.',
      ),
  },
  'must be a source such as { log: ./ideas.json, task: implement }',
);

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
    store: z.literal('sqlite', 'must be sqlite').prefault('sqlite').describe('Where jobs are kept.'),
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
    health: healthSchema,
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
