import { join } from 'node:path';

/** Every file that worker, monitor and the commands around them keep in the state folder, the store's own aside. */
export interface StateFiles {
  readonly workerPid: string;
  readonly monitorPid: string;
  /** Folder in which monitors claim the right to be the only one. */
  readonly monitorClaims: string;
  readonly settings: string;
  readonly desired: string;
  readonly restarts: string;
  readonly recovery: string;
  /** What was alerted, and what is to be. */
  readonly alerts: string;
  /** The systemd unit that was installed. */
  readonly service: string;
  readonly lastStop: string;
  readonly lastKill: string;
  /** Why the last worker that did not start did not. */
  readonly lastRefusal: string;
  /** What no worker is to look at again. */
  readonly hungRecords: string;
  readonly workerLog: string;
  readonly monitorLog: string;
}

export function stateFiles(stateFolder: string): StateFiles {
  return {
    workerPid: join(stateFolder, 'worker.pid'),
    monitorPid: join(stateFolder, 'monitor.pid'),
    monitorClaims: join(stateFolder, 'monitor.claims'),
    settings: join(stateFolder, 'settings.json'),
    desired: join(stateFolder, 'desired.json'),
    restarts: join(stateFolder, 'restarts.json'),
    recovery: join(stateFolder, 'recovery.ndjson'),
    alerts: join(stateFolder, 'alerts.json'),
    service: join(stateFolder, 'service.json'),
    lastStop: join(stateFolder, 'last-stop.json'),
    lastKill: join(stateFolder, 'last-kill.json'),
    lastRefusal: join(stateFolder, 'last-refusal.json'),
    hungRecords: join(stateFolder, 'hung-records.json'),
    workerLog: join(stateFolder, 'worker.log'),
    monitorLog: join(stateFolder, 'health_monitor.log'),
  };
}
