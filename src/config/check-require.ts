import type { ErrorObject } from 'ajv';
import type { Finding } from './explain.js';

/**
 * Whether each source's `require` is a JSON Schema at all: with one that is none the worker could judge no record. ajv is
 * loaded only where a config has such a gate; the options are those of the gate itself.
 */
export async function checkRequire(written: unknown): Promise<readonly Finding[]> {
  const schemas = Object.entries(map(map(written)['sources'])).flatMap(([name, source]) => {
    const schema = map(source)['require'];
    return schema === map(schema) ? [{ path: ['sources', name, 'require'], schema: map(schema) }] : [];
  });
  if (schemas.length === 0) return [];
  const { Ajv } = await import('ajv');
  return schemas.flatMap(({ path, schema }) => {
    const ajv = new Ajv({ allErrors: true, strict: false, validateFormats: false, logger: false });
    try {
      ajv.compile(schema);
      return [];
    } catch (error) {
      if (!ajv.errors) return { path, message: `is no JSON Schema: ${(error as Error).message}`, fix: null };
      return firstAtEachPlace(ajv.errors).map(({ instancePath, keyword, message, params }) => ({
        path: [...path, ...instancePath.split('/').slice(1)],
        message: `is no JSON Schema: ${message ?? keyword}`,
        fix: Array.isArray(params['allowedValues']) ? `one of ${params['allowedValues'].join(', ')}` : null,
      }));
    }
  });
}

/** One wrong word breaks several rules at once: the first of them says enough. */
function firstAtEachPlace(errors: readonly ErrorObject[]): readonly ErrorObject[] {
  return errors.filter(
    ({ instancePath }, index) => errors.findIndex((one) => one.instancePath === instancePath) === index,
  );
}

function map(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : {};
}
