/** What a rule looks at and what it sets: a part of the config's `RouteRule`. */
interface Rule {
  /** Field → allowed values; all fields must agree. */
  readonly when: Readonly<Record<string, readonly (string | number | boolean | null)[]>>;
  readonly task: string | null;
  readonly priority: number | null;
  readonly timeoutMs: number | null;
  readonly group: string | null;
}

export interface RouteDefaults {
  readonly task: string;
  readonly priority: number;
}

export interface Route {
  readonly task: string;
  readonly priority: number;
  /** null: the task's own time-out holds. */
  readonly timeoutMs: number | null;
  /** null: the task's own group field holds. */
  readonly group: string | null;
}

/**
 * Where a record goes. The first rule whose every field holds one of its values wins; what it leaves out, and a record
 * that no rule fits, takes the defaults. Values are compared as JSON does: 1 and "1" differ.
 */
export function routeRecord(payload: unknown, rules: readonly Rule[], defaults: RouteDefaults): Route {
  const rule = rules.find(({ when }) =>
    Object.entries(when).every(([field, allowed]) =>
      allowed.some((value) => value === fieldOf(payload, field)),
    ),
  );
  return {
    task: rule?.task ?? defaults.task,
    priority: rule?.priority ?? defaults.priority,
    timeoutMs: rule?.timeoutMs ?? null,
    group: rule?.group ?? null,
  };
}

function fieldOf(payload: unknown, field: string): unknown {
  if (typeof payload !== 'object' || payload === null || !Object.hasOwn(payload, field)) return undefined;
  return (payload as Record<string, unknown>)[field];
}
