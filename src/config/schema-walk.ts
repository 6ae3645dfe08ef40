import { z } from 'zod';
import type { ConfigPath } from './problem.js';

/*
 * Questions to the schema itself: which keys are known here, what kind of value belongs here. So a misspelt key can be
 * told its nearest neighbour, and an environment variable can find its setting.
 */

/** The schema under optional, default and transform wrappers. */
function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodPrefault || schema instanceof z.ZodNullable) {
    return unwrap(schema.unwrap());
  }
  return schema instanceof z.ZodPipe ? unwrap(schema.in) : schema;
}

/** What a value could be here: the branches of a union, else the one schema. */
function branches(schema: z.core.$ZodType): readonly z.core.$ZodType[] {
  const bare = unwrap(schema);
  return bare instanceof z.ZodUnion ? bare.options.flatMap(branches) : [bare];
}

/** Every schema that may stand at `path`. Empty when the path leads nowhere. */
function schemasAt(root: z.core.$ZodType, path: ConfigPath): readonly z.core.$ZodType[] {
  return path.reduce<readonly z.core.$ZodType[]>(
    (schemas, segment) => schemas.flatMap((schema) => childOf(schema, segment)),
    branches(root),
  );
}

function childOf(schema: z.core.$ZodType, segment: string | number): readonly z.core.$ZodType[] {
  if (schema instanceof z.ZodObject) {
    const child: z.core.$ZodType | undefined = Object.hasOwn(schema.shape, segment)
      ? schema.shape[segment]
      : undefined;
    return child === undefined ? [] : branches(child);
  }
  if (schema instanceof z.ZodRecord) return branches(schema.valueType);
  return schema instanceof z.ZodArray ? branches(schema.element) : [];
}

/** Names of the settings that may stand in the map at `path`; empty where a user chooses the names. */
export function knownKeys(root: z.core.$ZodType, path: ConfigPath): readonly string[] {
  return schemasAt(root, path).flatMap((schema) =>
    schema instanceof z.ZodObject ? Object.keys(schema.shape) : [],
  );
}

/** `names`: a map whose keys the user chooses. `other` covers lists, maps and whatever has more than one form. */
export type SettingKind = 'text' | 'number' | 'flag' | 'names' | 'other' | 'none';

export function settingKind(root: z.core.$ZodType, path: ConfigPath): SettingKind {
  const schemas = schemasAt(root, path);
  const [only] = schemas;
  if (only === undefined) return 'none';
  if (schemas.length > 1) return 'other';
  if (only instanceof z.ZodString || only instanceof z.ZodEnum || only instanceof z.ZodLiteral) return 'text';
  if (only instanceof z.ZodNumber) return 'number';
  if (only instanceof z.ZodBoolean) return 'flag';
  return only instanceof z.ZodRecord ? 'names' : 'other';
}
