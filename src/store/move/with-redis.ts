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

function refusal({ shown }: RedisAddress, { unsafe, why }: RedisLink): DoggedError {
  if (unsafe !== null) return new DoggedError('REDIS_UNSAFE', { address: shown, detail: unsafe });
  const code = isLoginRefused(why) ? 'REDIS_REFUSED' : 'REDIS_AWAY';
  return new DoggedError(code, { address: shown, detail: why });
}
