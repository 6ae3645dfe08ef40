import type { Clock } from '../../platform/clock.js';
import { storeName } from '../bullmq/address.js';
import type { ConfiguredRedis, MendedStore } from '../care.js';
import { LiveStore } from '../live-store.js';
import { chooseStore, readChosenStore } from '../sqlite/move-book.js';
import { leaveRedis } from '../sqlite/remote-mark.js';
import type { SqliteStore } from '../sqlite/store.js';
import { signOff } from './sign-off.js';

/** The engine that runs the jobs: a move's choice wins over the config until the config says the same. */
export async function openChosen(
  sqlite: SqliteStore,
  stateFolder: string,
  { url, settings, events }: ConfiguredRedis,
  clock: Clock,
): Promise<Pick<MendedStore, 'store' | 'redisAddress' | 'chosenStore'>> {
  const configured = storeName(url);
  const chosen = (await sqlite.look(({ db }) => readChosenStore(db)))?.store ?? null;
  const store = chosen ?? configured;
  if (chosen === configured) await sqlite.within(({ db }) => chooseStore(db, null, clock.wallMs()));
  const chosenStore = chosen === configured ? null : chosen;
  if (store === 'sqlite') {
    const left = await leaveRedis(sqlite, stateFolder);
    if (left !== null) await signOff(sqlite, left, clock, events);
    return { store: new LiveStore(sqlite, sqlite), redisAddress: null, chosenStore };
  }
  const { openForWorker } = await import('../bullmq/open.js');
  const engine = await openForWorker(sqlite, { ...settings, url: store }, events, clock);
  return { store: new LiveStore(sqlite, engine), redisAddress: store, chosenStore };
}
