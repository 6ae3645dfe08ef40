import { execFile } from 'node:child_process';
import type { Clock } from '../platform/clock.js';

/** systemd, where it started this process and wants to hear of it. */
export interface ServiceManager {
  /** Says that the start is over, and from then on, while `isAtWork` says so, that this process is alive. */
  ready(isAtWork: () => boolean): void;
  stop(): void;
}

/** A word must have arrived before the time is up, also when one of them gets lost. */
const WORDS_IN_TIME = 3;

/**
 * Node has no datagram sockets of the kind on which systemd listens, so its own program speaks for us: a process of 2 MB, three
 * times in `WatchdogSec`. Takes the variables out of the environment: what we start has not to answer for us.
 * Does nothing where nobody listens. `onError` hears why a word could not be said.
 */
export function createServiceManager(
  clock: Clock,
  onError: (why: string) => void,
  env: NodeJS.ProcessEnv = process.env,
): ServiceManager {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: watchdogUs } = env;
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete env[name];
  let cancel: () => void = () => {};

  const say = (...words: readonly string[]) => {
    execFile('systemd-notify', [...words], { env: { ...env, NOTIFY_SOCKET: socket } }, (error) => {
      if (error !== null) onError(error.message);
    });
  };
  const everyMs = Number(watchdogUs) / 1_000 / WORDS_IN_TIME;

  return {
    ready(isAtWork) {
      if (socket === undefined) return;
      say('--ready', `--pid=${process.pid}`);
      if (!(everyMs > 0)) return;
      const feed = () => {
        if (isAtWork()) say('WATCHDOG=1');
        cancel = clock.after(everyMs, feed, { background: true });
      };
      feed();
    },
    stop: () => cancel(),
  };
}
