import type { RedisLink } from './redis-link.js';
import { PREFIX } from './scripts.js';

/** Long enough for a machine that renews it with each look at all that Redis holds. */
const KEPT_MS = 15 * 60_000;

/** Names the state folder that goes by this site. */
export function siteKey(site: string): string {
  return `${PREFIX}:site:${site}`;
}

/**
 * Whether another state folder goes by the same site on this Redis, as machines do that were set up from one image. Equal
 * records of the two have one id, and the second waits until the first has ended.
 */
export async function hasNamesake(link: RedisLink, site: string, origin: string): Promise<boolean> {
  const { client } = link;
  const key = siteKey(site);
  await link.call(() => client.set(key, origin, 'PX', KEPT_MS, 'NX'));
  const holder = await link.call(() => client.get(key));
  if (holder !== origin) return holder !== null;
  await link.call(() => client.pexpire(key, KEPT_MS));
  return false;
}
