import { DoggedError } from '../../job/errors.js';
import type { Clock } from '../../platform/clock.js';
import { isLoginRefused, redisAddress } from '../bullmq/address.js';
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
    if (!link.isUp || link.unsafe !== null) throw refusal(address.shown, link);
    return await work(link, warnings);
  } finally {
    link.close();
  }
}

function refusal(address: string, { unsafe, why }: RedisLink): DoggedError {
  if (unsafe !== null) return new DoggedError('REDIS_UNSAFE', { address, detail: unsafe });
  return new DoggedError(isLoginRefused(why) ? 'REDIS_REFUSED' : 'REDIS_AWAY', { address, detail: why });
}
