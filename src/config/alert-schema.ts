import { z } from 'zod';
import type { AlertKind } from './config.js';
import { text, words } from './schema-values.js';

/* What a user may write of an alert: see schema.ts for how it is said. */

export const ALERT_KINDS = [
  'stuck',
  'recovered',
  'gave-up',
  'outage',
  'dead-letter',
  'disk',
  'redis',
] as const;
ALERT_KINDS satisfies readonly AlertKind[];

/** Each is a queue of its own in the monitor, which must stay small. */
const MOST_ALERTS = 16;

const alertSchema = z.strictObject(
  {
    on: z
      .array(z.enum(ALERT_KINDS, `must be one of ${ALERT_KINDS.join(', ')}`), 'must be a list of events')
      .min(1, 'must not be empty; leave it out for all events')
      .optional()
      .describe('Which events it tells. Left out: all.'),
    exec: words
      .min(1, 'must not be empty')
      .optional()
      .describe(
        "Program and arguments, run in the config's folder with the alert on stdin and in DOGGED_ALERT_TEXT. Exit 0 says that it was delivered. It has 10 s.",
      ),
    webhook: text
      .optional()
      .describe(
        'Address to which the alert is posted as JSON. An answer of 200 to 299 says that it was delivered.',
      ),
  },
  'must be an alert such as { on: [stuck], exec: [./notify.sh] }',
);

export const alertsSchema = z
  .array(alertSchema, 'must be a list of alerts')
  .max(MOST_ALERTS, `must be at most ${MOST_ALERTS} alerts`)
  .prefault([])
  .describe(
    'Who is told when the worker is stuck, something or Redis is away, a job failed for good or the disk is full.',
  );
