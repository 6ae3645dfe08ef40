import { z } from 'zod';
import { configSchema } from './schema.js';

/** The JSON Schema of a config as it is written by hand: `dist/config.schema.json`, for editors. */
export function configJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(configSchema, { io: 'input', target: 'draft-07' });
  return { ...schema, title: 'dogged.config' };
}
