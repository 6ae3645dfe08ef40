import type { Log } from '../platform/log.js';

/** An error that nobody caught leaves a state that nobody knows: say it and end; the monitor starts a fresh worker. */
export function endLoudly(log: Log): void {
  const end = (error: unknown) => {
    log.fatal({ err: error }, 'an unexpected error ends this worker');
    process.exit(1);
  };
  process.on('uncaughtException', end);
  process.on('unhandledRejection', end);
}
