import { z } from 'zod';
import {
  backoff,
  duration,
  field,
  flag,
  integer,
  name,
  size,
  text,
  VARIABLE_PATTERN,
  words,
} from './schema-values.js';

/* What a user may write of a task: see schema.ts for how it is said. */

export const breakerSchema = z.strictObject(
  {
    after: integer(1, 1000)
      .prefault(5)
      .describe(
        'Failures in a row, of whichever jobs, after which the task is held back. Fewer may be the affair of single jobs.',
      ),
    cooldown: duration('100ms', '1d')
      .prefault('30s')
      .describe(
        'How long it is held back before it is tried again: what is mended is noticed this late at most.',
      ),
    probe: words
      .min(1, 'must not be empty')
      .optional()
      .describe(
        'Program and arguments that are run in place of a job to see whether all is well again: exit 0 says so. It has 10 s.',
      ),
  },
  'must be such as { after: 5, cooldown: 30s }',
);

export const taskSchema = z.strictObject(
  {
    run: z
      .union(
        [text, words.min(1, 'must not be empty')],
        'must be a list: the program and its arguments, each a text in quotes',
      )
      .optional()
      .describe(
        'Program and arguments, one child for each job; the payload comes on stdin. {{field}} fills exactly one argument.',
      ),
    shell: flag
      .prefault(false)
      .describe('Lets `run` be one shell command. Off by default: a list cannot be misread.'),
    service: words
      .min(1, 'must not be empty')
      .optional()
      .describe('Program and arguments of a long-lived child that speaks NDJSON on stdin and stdout.'),
    module: text
      .optional()
      .describe(
        'JavaScript file whose default export is `async (payload, context) => result`, hosted in long-lived children.',
      ),
    workers: integer(1, 64).optional().describe('Number of children of a service or module. Default 1.'),
    pipeline: integer(1, 256)
      .optional()
      .describe('Most jobs that one child of a service or module holds at once. Default 1.'),
    timeout: duration('100ms', '30d')
      .prefault('10m')
      .describe('A job that runs longer is ended with all its descendants.'),
    killGrace: duration('0s', '10m').prefault('5s').describe('Time between SIGTERM and SIGKILL.'),
    concurrency: integer(1, 1024)
      .optional()
      .describe('Most jobs of this task at once. Default: as many as there are slots.'),
    group: z
      .strictObject(
        {
          by: field.describe('Field of the payload that names the group: a project, a host, an account.'),
          limit: integer(1, 100_000).describe('Most jobs of one group at once.'),
        },
        'must be such as { by: project, limit: 1 }',
      )
      .optional(),
    retry: z
      .strictObject(
        {
          attempts: integer(1, 1000)
            .prefault(5)
            .describe('Tries in all; after the last the job is a dead letter.'),
          backoff: backoff
            .prefault('2s..5m')
            .describe('Delay before the next try: doubles from the first to the last, with full jitter.'),
        },
        'must be such as { attempts: 5, backoff: 2s..5m }',
      )
      .prefault({}),
    breaker: breakerSchema
      .optional()
      .describe('When a task whose program or dependency is away is held back, and how it is tried again.'),
    dependency: name
      .optional()
      .describe(
        'Name of what the task depends on. All tasks that name the same one are held back together. Default: a name of its own.',
      ),
    env: z
      .record(
        z.string().regex(VARIABLE_PATTERN, 'must be the name of an environment variable'),
        z.string('must be text: put it in quotes'),
        'must map names of variables to texts',
      )
      .prefault({})
      .describe('Added to the short list of variables that a handler gets.'),
    verify: words
      .min(1, 'must not be empty')
      .optional()
      .describe('Asked when the worker died under a job: exit 0 says that its work was done; not run again.'),
    output: size('1KB', '16MB')
      .prefault('64KB')
      .describe('How much of stdout and of stderr is kept for each attempt: head and tail.'),
  },
  'must be a task such as { run: [node, handlers/implement.mjs] }',
);
