import { isIP } from 'node:net';
import { z } from 'zod';
import { text } from './schema-values.js';

/* What a user may write of metrics: see schema.ts for how it is said. */

const LISTEN_ERROR = 'must be an address and a port, such as 127.0.0.1:9464 or [::1]:9464, or null';
const LISTEN_PATTERN = /^(?:([\d.]+|localhost|\[[\da-fA-F:.]+\]):)?(\d{1,5})$/;

const listen = z
  .string({ error: LISTEN_ERROR })
  .regex(LISTEN_PATTERN, { error: LISTEN_ERROR })
  .transform((written, context) => {
    const [, address = 'localhost', port = ''] = LISTEN_PATTERN.exec(written) ?? [];
    const host = address === 'localhost' ? '127.0.0.1' : address.replace(/^\[|\]$/g, '');
    if (isIP(host) !== 0 && Number(port) >= 1 && Number(port) <= 65_535) return { host, port: Number(port) };
    context.addIssue({ code: 'custom', message: LISTEN_ERROR });
    return z.NEVER;
  });

export const metricsSchema = z
  .strictObject(
    {
      listen: listen
        .nullable()
        .prefault(null)
        .describe(
          'Address at which the worker serves GET /metrics. Nobody is asked who he is: keep to 127.0.0.1 unless the network is yours.',
        ),
      textfile: text
        .regex(/[^/]\.prom$/, 'must be the path of a file whose name ends in .prom')
        .nullable()
        .prefault(null)
        .describe(
          'File that the worker writes with every beat, for the textfile collector of node_exporter; its folder must exist.',
        ),
    },
    'must be such as { listen: 127.0.0.1:9464, textfile: /var/lib/node_exporter/dogged.prom }',
  )
  .prefault({});
