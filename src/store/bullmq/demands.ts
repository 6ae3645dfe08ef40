import type { Redis } from 'ioredis';

export interface Findings {
  /** Why nothing may be given to this Redis, with the command that mends it. */
  readonly error: string | null;
  /** What can be lost with it. */
  readonly warning: string | null;
}

/** Whether this Redis keeps what it is given. */
export async function findUnsafe(client: Redis): Promise<Findings> {
  const info = await client.info();
  const said = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? null;
  if (said('cluster_enabled') === '1') {
    const error =
      'it is a node of a cluster, which keeps keys apart that an end or a claim changes together: give dogged a Redis that is none';
    return { error, warning: null };
  }
  const policy = said('maxmemory_policy');
  if (policy !== null && policy !== 'noeviction') {
    const error = `its maxmemory-policy is ${policy}: when it is full it would throw jobs away; set it with: redis-cli CONFIG SET maxmemory-policy noeviction`;
    return { error, warning: null };
  }
  if (said('aof_enabled') === '0') {
    const warning =
      'Redis keeps no append-only file: what it holds is lost when it is restarted, and sent again; set it with: redis-cli CONFIG SET appendonly yes';
    return { error: null, warning };
  }
  return { error: null, warning: await syncWarning(client) };
}

async function syncWarning(client: Redis): Promise<string | null> {
  try {
    const answer = (await client.config('GET', 'appendfsync')) as string[];
    if (answer[1] === 'always') return null;
    return `Redis writes its append-only file with appendfsync ${answer[1]}: about a second of it can be lost with the machine, and is sent again`;
  } catch {
    // A user that is limited to our keys may not ask.
    return null;
  }
}
