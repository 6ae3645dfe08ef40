import { DoggedError } from '../../job/errors.js';
import type { Clock } from '../../platform/clock.js';
import { isLoginRefused, type RedisAddress, redisAddress } from '../bullmq/address.js';
import type { RedisLink } from '../bullmq/redis-link.js';

/** Speaks with a Redis for as long as `work` takes. Throws REDIS_AWAY, REDIS_REFUSED and REDIS_UNSAFE. */
export async function withRedis<T>(
  url: string,
  clock: Clock,
  work: (link: RedisLink, warnings: readonly string[]) => Promise<T>,
): Promise<T> {
  const { RedisLink } = await import('../bullmq/redis-link.js');
  const warnings: string[] = [];
  const address = redisAddress(url, process.env);
  const link = new RedisLink({
    address,
    clock,
    onBack: () => undefined,
    onProblem: () => undefined,
    onWarning: (text) => void warnings.push(text),
  });
  try {
    await link.settled();
    if (!link.isUp || link.unsafe !== null) throw refusal(address, link);
    return await work(link, warnings);
  } finally {
    link.close();
  }
}

function refusal(address: RedisAddress, link: RedisLink): DoggedError {
  const { unsafe, why } = link;
  const { shown } = address;
  if (unsafe !== null) return new DoggedError('REDIS_UNSAFE', { address: shown, detail: unsafe });
  if (isLoginRefused(why)) return new DoggedError('REDIS_REFUSED', { address: shown, detail: why });
  return new DoggedError('REDIS_AWAY', { address: shown, detail: absenceText(link, address) });
}

/** Why a Redis that is not up is not, in words. */
export function absenceText(
  { why, client }: Pick<RedisLink, 'why' | 'client'>,
  { tls }: Pick<RedisAddress, 'tls'>,
): string {
  if (isLoginRefused(why)) return why;
  if (client.status === 'connect') return 'it takes the connection, but gives no answer';
  if (!tls || NOBODY_THERE.test(why)) return why;
  return `no connection by TLS came about (${why}); without TLS its address begins with redis://`;
}

const NOBODY_THERE = /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH/;
