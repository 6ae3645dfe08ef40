/** Where Redis is. User and password come from the environment alone, and are never shown. */
export interface RedisAddress {
  readonly host: string;
  readonly port: number;
  readonly db: number;
  readonly tls: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** For people and logs. */
  readonly shown: string;
}

/** The store that a config or a command line means, in the one form in which stores are compared and shown. */
export function storeName(written: string | null): string {
  return written === null || written === 'sqlite' ? 'sqlite' : redisAddress(written, {}).shown;
}

/** Redis knows us not, or lets us do too little; `why`: its reason, with its code. */
export function isLoginRefused(why: string): boolean {
  return /NOAUTH|WRONGPASS|NOPERM/.test(why);
}

/** The same with what to do about it. */
export function withRemedy(why: string): string {
  return isLoginRefused(why)
    ? `${why}: set DOGGED_REDIS_USERNAME and DOGGED_REDIS_PASSWORD where the worker is started`
    : why;
}

export function redisAddress(
  text: string,
  environment: Readonly<Record<string, string | undefined>>,
): RedisAddress {
  const url = new URL(text);
  const port = url.port === '' ? 6379 : Number(url.port);
  const db = url.pathname.length > 1 ? Number(url.pathname.slice(1)) : 0;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return {
    host,
    port,
    db,
    tls: url.protocol === 'rediss:',
    username: environment['DOGGED_REDIS_USERNAME'] || undefined,
    password: environment['DOGGED_REDIS_PASSWORD'] || undefined,
    shown: `${url.protocol}//${url.hostname}:${port}/${db}`,
  };
}
