import { z } from 'zod';
import { isTimezone } from '../platform/timezone.js';
import {
  duration,
  field,
  flag,
  integer,
  name,
  priority,
  scalar,
  size,
  text,
  words,
  workspace,
} from './schema-values.js';

/* What a user may write of a source: see `schema.ts`. Which settings belong to which kind is told by `source-kinds.ts`. */

const MISSED_ERROR = 'must be skip, one, all, or { all: N } with N from 2 to 1000';

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

export const sourceSchema = z.strictObject(
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
    schedule: text
      .optional()
      .describe(
        'File to poll that is written anew as a whole: an array of records, or an object keyed by id, each with `start`, and `end` or `every` if it has any.',
      ),
    every: text
      .optional()
      .describe('Cron expression: a job that comes again and again, without a file. Example "0 3 * * *".'),
    payload: z
      .record(z.string(), z.unknown(), 'must be an object')
      .optional()
      .describe('What the jobs of `every` are handed. Default {}.'),
    timezone: text
      .refine(isTimezone, 'must be the name of a time zone, such as UTC or Europe/Berlin')
      .optional()
      .describe(
        'Zone of cron expressions, and of times that name none. Default UTC for the former; the latter are refused without it.',
      ),
    missed: z
      .union([z.enum(['skip', 'one', 'all']), z.strictObject({ all: integer(2, 1000) })], MISSED_ERROR)
      .optional()
      .describe(
        'What becomes of repeating runs whose time passed while no worker was there: skip (the default), the newest one, or all of them, at most 100 or as many as { all: N } says.',
      ),
    stopAtEnd: flag
      .optional()
      .describe('Stops a job of a schedule that still runs at the end of its window. Default false.'),
    key: field
      .optional()
      .describe(
        'Field or JSON pointer that makes a record the same record tomorrow. Without it, a record is known by its content; in a schedule the default is "id".',
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
    shared: flag
      .prefault(false)
      .describe(
        'With a store on Redis: several machines see this source, and a record of it is the same job for all.',
      ),
    network: flag
      .prefault(false)
      .describe(
        'Set it for NFS, SMB and other mounts: they are read in a thread of their own, and their time stamps are trusted less.',
      ),
  },
  'must be a source such as { log: ./ideas.json, task: implement }',
);
