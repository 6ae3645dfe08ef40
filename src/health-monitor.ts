import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Alerts } from './health/alerts/alerts.js';
import { takeMonitorLock } from './health/monitor-lock.js';
import { openMonitorLog } from './health/monitor-log.js';
import { createRecoveryTeller } from './health/recovery.js';
import { createServiceManager } from './health/service-manager.js';
import { Supervisor } from './health/supervise.js';
import { openTally } from './health/tally.js';
import { readDesired, writeDesired } from './heartbeat/desired.js';
import { nameThisProcess } from './heartbeat/pid-file.js';
import { openRecoveryLog } from './heartbeat/recovery-log.js';
import { defaultSettings, readSettings } from './heartbeat/settings.js';
import { EXIT } from './job/errors.js';
import { systemClock } from './platform/clock.js';

export interface MonitorOptions {
  readonly stateFolder: string;
  readonly configFile: string;
  /** Hears each message, for a monitor that runs in a terminal. */
  readonly echo?: (message: string) => void;
}

const WORKER_PROGRAM = fileURLToPath(new URL('./cli.js', import.meta.url));

/**
 * The health monitor: the only one of its state folder, until a signal ends it or `stopped` is desired and the worker
 * is gone. Resolves with the exit code; 75 when there is a monitor already.
 *
 * It loads neither the config nor the store, so it works on when they are broken, and stays small.
 */
export async function runMonitor({ stateFolder, configFile, echo }: MonitorOptions): Promise<number> {
  const clock = systemClock;
  const known = readSettings(stateFolder);
  const settings = known.status === 'read' ? known.content : defaultSettings(stateFolder, configFile);
  const log = openMonitorLog(stateFolder, settings.logs, clock, echo);
  const lock = await takeMonitorLock(stateFolder, nameThisProcess(), clock);
  if (!lock.held) {
    log.info(`a health monitor runs already (PID ${lock.holderPid}): this one ends`);
    return EXIT.busy;
  }
  // Nobody has ever asked for anything else: who starts a monitor wants a worker.
  if (readDesired(stateFolder).status === 'missing') writeDesired(stateFolder, 'running');
  log.info(`the health monitor runs (PID ${process.pid})`);

  const alerts = new Alerts({ stateFolder, clock, log });
  // The next worker may never come as far as to write its own.
  alerts.see(null, settings);
  const supervisor = new Supervisor({
    program: { argv: [WORKER_PROGRAM, 'worker', '-c', configFile], stateFolder, configFile },
    clock,
    log,
    recovery: createRecoveryTeller(log, openRecoveryLog(stateFolder, clock), clock, alerts),
    tally: openTally(stateFolder, (error) => log.error(`the tally of restarts: ${String(error)}`)),
    alerts,
  });
  let shuttingDown: Promise<void> | null = null;
  const shutDown = () => {
    shuttingDown ??= supervisor.shutDown();
  };
  process.on('SIGTERM', shutDown);
  process.on('SIGINT', shutDown);
  // Node undoes what nohup did: without a handler the end of the terminal would end us.
  process.on('SIGHUP', () => log.info('SIGHUP: the terminal is gone, the monitor stays'));

  const manager = createServiceManager(clock, (why) => log.error(`systemd could not be told: ${why}`));
  manager.ready(() => shuttingDown === null);
  await supervisor.run();
  manager.stop();
  await shuttingDown;
  await alerts.close();
  log.info('the health monitor ends');
  lock.release();
  return EXIT.ok;
}

function isMain(): boolean {
  const started = process.argv[1];
  return started !== undefined && realpathSync(started) === fileURLToPath(import.meta.url);
}

if (isMain()) {
  const { values } = parseArgs({ options: { state: { type: 'string' }, config: { type: 'string' } } });
  if (values.state === undefined || values.config === undefined) {
    console.error('usage: health-monitor.js --state FOLDER --config FILE   (dogged start does it for you)');
    process.exit(EXIT.usage);
  }
  process.exit(await runMonitor({ stateFolder: values.state, configFile: values.config }));
}
