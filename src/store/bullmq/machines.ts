import { mailKey, toldKey } from './mail.js';
import { siteKey } from './namesake.js';
import type { RedisLink } from './redis-link.js';
import { PREFIX } from './scripts.js';

/** Every machine that has run with this Redis, until it has left it: id of its store → site and when it was last there. */
export const MACHINES = `${PREFIX}:machines`;

/** A machine that is up says so this often. */
export const SAYS_SO_EVERY_MS = 15_000;

export interface SeenMachine {
  readonly origin: string;
  readonly site: string;
  /** By the clock of Redis. */
  readonly seenMsAgo: number;
}

/** Another machine, and when it was last there, by the monotonic clock of this process. */
export interface Neighbour {
  readonly site: string;
  readonly seenAtMs: number;
}

/** Answers with the others; `nowMs`: by the monotonic clock. Throws REDIS_AWAY, as all of these. */
export async function sayHere(
  link: RedisLink,
  origin: string,
  site: string,
  nowMs: number,
): Promise<readonly Neighbour[]> {
  const [seconds] = await link.call(() => link.client.time());
  const text = JSON.stringify({ site, seenAtMs: Number(seconds) * 1_000 });
  await link.call(() => link.client.hset(MACHINES, origin, text));
  const others = await otherMachines(link, origin);
  return others.map(({ site, seenMsAgo }) => ({ site, seenAtMs: nowMs - seenMsAgo }));
}

export async function otherMachines(
  link: Pick<RedisLink, 'call' | 'client'>,
  origin: string,
): Promise<readonly SeenMachine[]> {
  const [seconds] = await link.call(() => link.client.time());
  const all = await link.call(() => link.client.hgetall(MACHINES));
  return Object.entries(all)
    .filter(([one]) => one !== origin)
    .map(([one, text]) => {
      const { site, seenAtMs } = readEntry(text);
      return { origin: one, site, seenMsAgo: Math.max(0, Number(seconds) * 1_000 - seenAtMs) };
    });
}

/** Nothing of ours is left there, and nobody is to wait for us. */
export async function sayGone(
  link: Pick<RedisLink, 'call' | 'exec' | 'client'>,
  origin: string,
): Promise<void> {
  const { client } = link;
  const entry = await link.call(() => client.hget(MACHINES, origin));
  const ours = [...['life', 'home'].map((kind) => `${PREFIX}:${kind}:${origin}`), toldKey(origin)];
  if (entry !== null) {
    // Another state folder may go by the same site.
    const site = siteKey(readEntry(entry).site);
    if ((await link.call(() => client.get(site))) === origin) ours.push(site);
  }
  const leaving = client
    .multi()
    .del(mailKey(origin), ...ours)
    .hdel(MACHINES, origin);
  await link.exec(leaving);
}

function readEntry(text: string): { readonly site: string; readonly seenAtMs: number } {
  try {
    const { site, seenAtMs } = JSON.parse(text) as { site?: unknown; seenAtMs?: unknown };
    return { site: String(site), seenAtMs: Number(seenAtMs) || 0 };
  } catch {
    // Not written by dogged: named all the same.
    return { site: text, seenAtMs: 0 };
  }
}
