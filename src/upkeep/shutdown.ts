import { type DoggedError, EXIT } from '../job/errors.js';
import type { Log } from '../platform/log.js';

/** How this worker comes to its end: in order, hurried by a second signal, or because it is no longer the owner. */
export interface Shutdown {
  /** Resolves when the worker should stop. */
  readonly begun: Promise<void>;
  hasBegun(): boolean;
  begin(reason: string): void;
  /** Stops for a reason that is not ours to mend: the exit code is the error's. */
  abort(error: DoggedError): void;
  /** Runs when a second signal asks for an end at once. */
  onHurry(action: () => void): void;
  exitCode(): number;
  /** Gives the signals back to Node. */
  dispose(): void;
}

const STOP_SIGNALS = ['SIGTERM', 'SIGINT'] as const;

export function createShutdown(log: Log): Shutdown {
  let resolveBegun = () => {};
  const begun = new Promise<void>((resolve) => {
    resolveBegun = resolve;
  });
  let hasBegun = false;
  let exitCode: number = EXIT.ok;
  let hurry: (() => void) | null = null;
  let hurried = false;

  const begin = (reason: string) => {
    if (hasBegun) return;
    hasBegun = true;
    log.info({ reason }, 'stopping: no new jobs are taken');
    resolveBegun();
  };
  const onSignal = (signal: NodeJS.Signals) => {
    if (!hasBegun) {
      begin(signal);
      return;
    }
    log.warn({ signal }, 'a second signal: what still runs is cut off');
    hurried = true;
    hurry?.();
  };
  // Node undoes the ignored SIGHUP that nohup hands down: a closed terminal must not end the worker.
  const onHangUp = () => log.info('SIGHUP is ignored');
  for (const signal of STOP_SIGNALS) process.on(signal, onSignal);
  process.on('SIGHUP', onHangUp);

  return {
    begun,
    hasBegun: () => hasBegun,
    begin,
    abort(error) {
      log.fatal({ code: error.code }, error.message);
      exitCode = error.exitCode;
      begin(error.code);
    },
    onHurry(action) {
      hurry = action;
      if (hurried) action();
    },
    exitCode: () => exitCode,
    dispose() {
      for (const signal of STOP_SIGNALS) process.off(signal, onSignal);
      process.off('SIGHUP', onHangUp);
    },
  };
}
