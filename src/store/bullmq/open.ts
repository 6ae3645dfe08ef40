import type { Clock } from '../../platform/clock.js';
import type { SqliteStore } from '../sqlite/store.js';
import { Outbox } from './outbox.js';
import type { RemoteEvents, RemoteSettings } from './settings.js';
import { BullmqStore } from './store.js';

/**
 * The store of a worker whose jobs run through Redis. Throws REDIS_UNSAFE and STORE_ELSEWHERE; a Redis that is away is waited
 * for beside the work.
 */
export async function openForWorker(
  sqlite: SqliteStore,
  settings: RemoteSettings,
  events: RemoteEvents,
  clock: Clock,
): Promise<BullmqStore> {
  const store = await connectForWorker(sqlite, settings, events, clock);
  try {
    await sqlite.within(() => store.register());
    await store.settled();
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** The same while nothing is given to Redis yet. */
export async function connectForWorker(
  sqlite: SqliteStore,
  settings: RemoteSettings,
  events: RemoteEvents,
  clock: Clock,
): Promise<BullmqStore> {
  const { Remote } = await import('./remote.js');
  const { takeTurn } = await import('./turn.js');
  const { findOrphans, rescueEnds } = await import('./rescue.js');
  const origin = await sqlite.look(({ db }) =>
    db.prepare<[], string>('SELECT store_id FROM meta').pluck().get(),
  );
  if (origin === undefined) throw new Error('the meta table is empty');
  const store = new BullmqStore(sqlite, clock, {
    connect: (rows, resolve) => new Remote({ ...rows, settings, events, origin }, resolve),
    site: settings.site,
    takeTurn,
    findOrphans,
    rescueEnds,
  });
  await store.prepare();
  return store;
}

/** The store of a command or a screen, where a worker's jobs run through Redis. */
export async function openBeside(
  sqlite: SqliteStore,
  use: 'command' | 'read',
  clock: Clock,
): Promise<BullmqStore> {
  if (use === 'command') Outbox.watch(sqlite.database);
  const store = new BullmqStore(sqlite, clock, null);
  await store.prepare();
  return store;
}

/** Of a command whose worker's jobs run through Redis no longer. */
export function unwatch(sqlite: SqliteStore): void {
  Outbox.unwatch(sqlite.database);
}
