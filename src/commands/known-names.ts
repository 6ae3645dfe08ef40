import type { Config } from '../config/config.js';
import { DoggedError } from '../job/errors.js';
import type { ReadStore } from '../store/read-contract.js';
import { escapeText } from '../view/escape.js';

/** What a command line narrows its look to. */
export interface NamedScope {
  readonly task?: string | undefined;
  readonly source?: string | undefined;
  readonly workspace?: string | undefined;
}

type Known = Pick<ReadStore, 'counts' | 'list'>;

/**
 * A name that is misspelt finds nothing either, and must not look like one that has nothing. Throws USAGE for a name that
 * neither config nor database knows; passes where the config cannot be read, since nobody knows its names then.
 */
export async function refuseUnknownNames(
  { task, source, workspace }: NamedScope,
  configFile: string,
  store: Known,
  command: string,
): Promise<void> {
  if (task === undefined && source === undefined && workspace === undefined) return;
  const { readConfig } = await import('../config/load.js');
  const config = await readConfig(configFile).then(
    (reading) => reading.config,
    () => null,
  );
  if (config === null) return;
  const counts = await store.counts();
  const refuse = (what: string, name: string | undefined, inConfig: readonly string[], inStore: boolean) => {
    if (name === undefined || inConfig.includes(name) || inStore) return;
    const known = inConfig.length === 0 ? 'none' : inConfig.join(', ');
    const problem = `Neither the config nor the database knows a ${what} "${escapeText(name)}". The config has: ${known}.`;
    throw new DoggedError('USAGE', { problem, command });
  };
  const names = (some: readonly { readonly name: string }[]) => some.map(({ name }) => name);
  refuse(
    'task',
    task,
    names(config.tasks),
    counts.tasks.some((line) => line.task === task),
  );
  refuse(
    'source',
    source,
    names(config.sources),
    counts.sources.some(({ name }) => name === source),
  );
  if (workspace !== undefined) {
    const jobs = await store.list({ workspace, limit: 1 });
    refuse('workspace', workspace, workspacesIn(config), jobs.length > 0);
  }
}

/** Those that the config names. */
export function workspacesIn({ workspace, sources }: Config): string[] {
  return [...new Set([workspace, ...sources.map((source) => source.workspace)])];
}
