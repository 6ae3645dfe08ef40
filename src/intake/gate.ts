import type { ErrorObject } from 'ajv';
import { type Refusal, refuse } from './refusal.js';

/** Says whether a parsed record meets the source's `require`: null, or the refusal with its remedy. */
export type Gate = (value: unknown, key: string) => Refusal | null;

const open: Gate = () => null;

/**
 * Compiles the JSON Schema of a source. Without one everything passes, and ajv is never loaded. Throws what ajv says of a
 * schema that is none.
 */
export async function createGate(require: Readonly<Record<string, unknown>> | null): Promise<Gate> {
  if (require === null) return open;
  const { Ajv } = await import('ajv');
  // Not strict: an unknown format or keyword in a user's schema must not stop the source.
  const ajv = new Ajv({ allErrors: true, strict: false, validateFormats: false, logger: false });
  const validate = ajv.compile(require);
  return (value, key) => {
    if (validate(value)) return null;
    const errors = validate.errors ?? [];
    return refuse('schema', sentence(errors.map(problemOf)), sentence(errors.map(remedyOf)), key);
  };
}

/** Past this many, more sentences help nobody. */
const MOST_SENTENCES = 5;

function sentence(parts: readonly string[]): string {
  const distinct = [...new Set(parts)];
  const shown = distinct.slice(0, MOST_SENTENCES).join('; ');
  return distinct.length > MOST_SENTENCES ? `${shown}; and ${distinct.length - MOST_SENTENCES} more` : shown;
}

function problemOf(error: ErrorObject): string {
  return `${placeOf(error)} ${error.message ?? error.keyword}`;
}

function remedyOf(error: ErrorObject): string {
  const { params, keyword } = error;
  switch (keyword) {
    case 'required':
      return `add ${JSON.stringify(params['missingProperty'])}${within(error)}`;
    case 'additionalProperties':
      return `remove ${JSON.stringify(params['additionalProperty'])}${within(error)}`;
    case 'type':
      return `make ${placeOf(error)} ${[params['type']].flat().map(withArticle).join(' or ')}`;
    case 'enum':
      return `make ${placeOf(error)} one of ${JSON.stringify(params['allowedValues'])}`;
    default:
      return `mend ${placeOf(error)}: it ${error.message ?? `breaks ${keyword}`}`;
  }
}

function withArticle(type: string): string {
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`;
}

function placeOf(error: ErrorObject): string {
  return error.instancePath === '' ? 'the record' : JSON.stringify(error.instancePath.slice(1));
}

function within(error: ErrorObject): string {
  return error.instancePath === '' ? '' : ` in ${placeOf(error)}`;
}
