import type { Clock } from '../../platform/clock.js';
import type { Store } from '../engine.js';
import type { SqliteStore } from '../sqlite/store.js';
import { Outbox } from './outbox.js';
import type { RemoteEvents, RemoteSettings } from './settings.js';
import { BullmqStore } from './store.js';

/** The store of a worker whose jobs run through Redis. Throws REDIS_UNSAFE; a Redis that is away is waited for beside the work. */
export async function openForWorker(
  sqlite: SqliteStore,
  settings: RemoteSettings,
  events: RemoteEvents,
  clock: Clock,
): Promise<Store> {
  const { Remote } = await import('./remote.js');
  const { takeTurn } = await import('./turn.js');
  const { findOrphans, rescueEnds } = await import('./rescue.js');
  const origin = await sqlite.look(({ db }) =>
    db.prepare<[], string>('SELECT store_id FROM meta').pluck().get(),
  );
  if (origin === undefined) throw new Error('the meta table is empty');
  Outbox.watch(sqlite.database);
  const store = new BullmqStore(sqlite, clock, {
    connect: (rows, resolve) => new Remote({ ...rows, settings, events, origin }, resolve),
    site: settings.site,
    takeTurn,
    findOrphans,
    rescueEnds,
  });
  try {
    await store.prepare();
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** The store of a command or a screen, where a worker's jobs run through Redis. */
export async function openBeside(sqlite: SqliteStore, use: 'command' | 'read', clock: Clock): Promise<Store> {
  if (use === 'command') Outbox.watch(sqlite.database);
  const store = new BullmqStore(sqlite, clock, null);
  await store.prepare();
  return store;
}
