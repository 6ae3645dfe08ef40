import type { Clock } from '../../platform/clock.js';
import { sayGone } from '../bullmq/machines.js';
import type { RemoteEvents } from '../bullmq/settings.js';
import type { SqliteStore } from '../sqlite/store.js';
import { originOf } from './origin.js';
import { withRedis } from './with-redis.js';

/**
 * Takes this machine off the list of a Redis that holds nothing of it any more: others wait for it no longer. Where that fails
 * they are told how to forget it.
 */
export async function signOff(
  sqlite: Pick<SqliteStore, 'look'>,
  address: string,
  clock: Clock,
  events: RemoteEvents,
): Promise<void> {
  const origin = await sqlite.look(({ db }) => originOf(db));
  try {
    await withRedis(address, clock, (link) => sayGone(link, origin));
  } catch (error) {
    const { message } = error as Error;
    events.onRemoteWarning?.(
      `this machine could not be taken off the list of Redis at ${address}: ${message}`,
    );
  }
}
