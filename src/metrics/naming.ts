import type { Settings } from '../heartbeat/settings.js';
import { escapeText } from '../view/escape.js';

/** Each name is a series of its own in the database of whoever reads them, for ever: they must not be without number. */
const MOST_NAMES = 100;
/** What stands in for a name that the config does not have, or has no more, or that comes after so many others. */
const OTHER = 'other';

/** What may stand in a label, given the name of a task, a source and so on. */
export interface Naming {
  readonly task: (name: string) => string;
  readonly source: (name: string) => string;
  readonly workspace: (name: string) => string;
  readonly dependency: (name: string) => string;
}

/** What a naming is made of. `names` are left out where a worker of an older version wrote the settings. */
export type KnownNames = Pick<Settings, 'names'> & { readonly tasks: readonly { readonly name: string }[] };

/** `known` null: no worker has told its config yet, and the first names that come along are taken as they are. */
export function createNaming(known: KnownNames | null): Naming {
  return {
    task: oneOf(known === null ? null : known.tasks.map(({ name }) => name)),
    source: oneOf(known?.names?.sources ?? null),
    workspace: oneOf(known?.names?.workspaces ?? null),
    dependency: oneOf(known?.names?.dependencies ?? null),
  };
}

function oneOf(known: readonly string[] | null): (name: string) => string {
  const names = new Set(known?.slice(0, MOST_NAMES));
  return (name) => {
    if (names.has(name)) return name;
    if (known !== null || names.size >= MOST_NAMES) return OTHER;
    const shown = escapeText(name);
    names.add(shown);
    return shown;
  };
}
