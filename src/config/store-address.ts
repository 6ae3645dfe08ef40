/** Whether a text is the address of a Redis, as a config or a command line may name it. */
export function isRedisAddress(written: string): boolean {
  if (!/^rediss?:\/\//.test(written) || !URL.canParse(written)) return false;
  const { hostname, pathname, search, hash } = new URL(written);
  return hostname !== '' && /^\/?\d*$/.test(pathname) && search === '' && hash === '';
}

/** User and password are no part of an address: they come from the environment. */
export function hasCredentials(written: string): boolean {
  return /^rediss?:\/\/[^/]*@/.test(written);
}

export const CREDENTIALS_ERROR =
  'must hold no user and no password: set DOGGED_REDIS_USERNAME and DOGGED_REDIS_PASSWORD in the environment';
