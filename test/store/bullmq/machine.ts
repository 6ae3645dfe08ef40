import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type Clock, systemClock } from '../../../src/platform/clock.js';
import { openForWorker } from '../../../src/store/bullmq/open.js';
import type { RemoteSettings } from '../../../src/store/bullmq/settings.js';
import type { Store } from '../../../src/store/engine.js';
import { openSqliteStore } from '../../../src/store/sqlite/open.js';
import { tempFolder } from '../../support/temp-folder.js';
import { type Driver, drive } from './driver.js';

export { completed, keysOf } from './driver.js';

const page = readFileSync(join(import.meta.dirname, '../../../docs/scale-out.md'), 'utf8');

/** Keys and commands that a user of Redis has to be allowed, as docs/scale-out.md says it. */
export const ALLOWED =
  /ACL SETUSER dogged on '>[^']+' (.*)/
    .exec(page)?.[1]
    ?.split(' ')
    .map((rule) => rule.replaceAll("'", '')) ?? [];

export interface MachineOptions extends Partial<Omit<RemoteSettings, 'url'>> {
  /** Of a machine that was there before. */
  readonly folder?: string;
  readonly groupLimit?: number;
  /** Of its way to Redis. Left out: the real one. */
  readonly clock?: Clock;
}

/** One machine: a state folder of its own and a worker's store on a Redis that others may share. */
export interface Machine extends Driver {
  readonly folder: string;
  readonly store: Store;
  /** What Redis was said to suffer from, in order; null: all is well. */
  readonly problems: (string | null)[];
  /** What went wrong unforeseen: none may be left when it is closed. */
  readonly errors: unknown[];
  /** What its log was told beside. */
  readonly warnings: string[];
  close(): Promise<void>;
}

export async function machine(url: string, options: MachineOptions = {}): Promise<Machine> {
  const { folder = tempFolder(), groupLimit, clock = systemClock, ...settings } = options;
  const problems: (string | null)[] = [];
  const warnings: string[] = [];
  const errors: unknown[] = [];
  const sqlite = await openSqliteStore(folder, 'worker', systemClock);
  const store = await openForWorker(
    sqlite,
    {
      url,
      site: 'here',
      sharedSources: [],
      leaseMs: 30_000,
      poisonAfter: 3,
      reconcileMs: 300_000,
      fleetConcurrency: [],
      ...settings,
    },
    {
      onRemote: (problem) => problems.push(problem),
      onRemoteError: (error) => errors.push(error),
      onRemoteWarning: (text) => warnings.push(text),
    },
    clock,
  );
  let isClosed = false;
  const close = async () => {
    if (isClosed) return;
    isClosed = true;
    await store.close();
    if (errors.length > 0) throw errors.splice(0)[0];
  };
  onTestFinished(close);
  const driver = await drive(store, groupLimit ?? null);
  return {
    ...driver,
    folder,
    store,
    problems,
    warnings,
    errors,
    close,
  };
}
