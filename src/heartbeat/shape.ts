/*
 * Checks of shape for the few small files that processes leave for each other. The monitor reads them too, and must
 * stay small: a schema library would cost it more memory than everything else it does.
 */

/** Says what is wrong with a value, or null. `at` is the path to it, for the message. */
export type Check = (value: unknown, at: string) => string | null;

export const text: Check = (value, at) => (typeof value === 'string' ? null : `${at} is not a text`);

export const flag: Check = (value, at) => (typeof value === 'boolean' ? null : `${at} is not true or false`);

/** A finite number, of either sign. */
export const number: Check = (value, at) =>
  typeof value === 'number' && Number.isFinite(value) ? null : `${at} is not a number`;

/** A finite number, not below zero. */
export const amount: Check = (value, at) =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? null : `${at} is not a number ≥ 0`;

/** A whole number, not below zero. */
export const count: Check = (value, at) =>
  Number.isSafeInteger(value) && (value as number) >= 0 ? null : `${at} is not a whole number ≥ 0`;

export const oneOf =
  (...allowed: readonly (string | number)[]): Check =>
  (value, at) =>
    allowed.includes(value as string | number) ? null : `${at} is none of ${allowed.join(', ')}`;

export const orNull =
  (check: Check): Check =>
  (value, at) =>
    value === null ? null : check(value, at);

export const optional =
  (check: Check): Check =>
  (value, at) =>
    value === undefined ? null : check(value, at);

export const listOf =
  (check: Check): Check =>
  (value, at) => {
    if (!Array.isArray(value)) return `${at} is not a list`;
    for (const [index, item] of value.entries()) {
      const problem = check(item, `${at}[${index}]`);
      if (problem !== null) return problem;
    }
    return null;
  };

/** Under whatever names. */
export const mapOf =
  (check: Check): Check =>
  (value, at) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return `${at} is not an object`;
    for (const [name, item] of Object.entries(value)) {
      const problem = check(item, `${at}.${name}`);
      if (problem !== null) return problem;
    }
    return null;
  };

/** Fields that are not named here are let through: a newer program may write more. */
export const shapeOf =
  <T>(fields: { readonly [K in keyof T]-?: Check }): Check =>
  (value, at) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return `${at} is not an object`;
    for (const [name, check] of Object.entries<Check>(fields)) {
      const problem = check((value as Record<string, unknown>)[name], `${at}.${name}`);
      if (problem !== null) return problem;
    }
    return null;
  };
