import { randomBytes } from 'node:crypto';
import type { RedisLink } from './redis-link.js';
import { PREFIX } from './scripts.js';

/** A Redis as whoever is about to use it must know it. */
export interface RedisFacts {
  readonly version: string;
  readonly usedBytes: number;
  /** Most that it may use, or that its machine has; null where it does not tell. */
  readonly mostBytes: number | null;
  /** null where it does not tell. */
  readonly keepsAppendOnlyFile: boolean | null;
  /** What this user may not do with our keys, in the words of Redis; null: nothing is missing. */
  readonly forbidden: string | null;
  /** It takes nothing new. */
  readonly isFull: boolean;
}

/** Throws REDIS_AWAY. */
export async function lookAtRedis(link: Pick<RedisLink, 'call' | 'client'>): Promise<RedisFacts> {
  const info = await link.call(() => link.client.info());
  const said = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? null;
  const limit = Number(said('maxmemory') ?? 0);
  const machine = Number(said('total_system_memory') ?? 0);
  const appendOnly = said('aof_enabled');
  return {
    // Valkey names the Redis that it is compatible with, too.
    version: said('valkey_version') ?? said('redis_version') ?? '0',
    usedBytes: Number(said('used_memory') ?? 0),
    mostBytes: limit > 0 ? limit : machine > 0 ? machine : null,
    keepsAppendOnlyFile: appendOnly === null ? null : appendOnly === '1',
    ...(await tryRights(link)),
  };
}

/** Each kind of call that is made later, with a key that is gone again at once. */
async function tryRights(
  link: Pick<RedisLink, 'call' | 'client'>,
): Promise<Pick<RedisFacts, 'forbidden' | 'isFull'>> {
  const key = `${PREFIX}:try:${randomBytes(6).toString('hex')}`;
  const script = `
    redis.call('HSET', KEYS[1], 'a', '1')
    redis.call('DEL', KEYS[1])
    redis.call('ZADD', KEYS[1], 1, 'a')
    redis.call('DEL', KEYS[1])
    redis.call('XADD', KEYS[1], '*', 'm', 'a')
    redis.call('XTRIM', KEYS[1], 'MAXLEN', 0)
    redis.call('DEL', KEYS[1])
    redis.call('SADD', KEYS[1], 'a')
    redis.call('LPUSH', KEYS[2], 'a')
    redis.call('DEL', KEYS[1], KEYS[2])
    return redis.call('TIME')[1]`;
  try {
    await link.call(() => link.client.eval(script, 2, key, `${key}:2`));
    await link.call(() => link.client.scan(0, 'MATCH', key));
    return { forbidden: null, isFull: false };
  } catch (error) {
    const { message } = error as Error;
    if (/\bOOM\b/.test(message)) return { forbidden: null, isFull: true };
    if (/NOPERM/.test(message)) return { forbidden: message, isFull: false };
    throw error;
  }
}
