import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  type NamedIdentity,
  readPidFile,
  removePidFile,
  runningProcess,
  writePidFile,
} from '../heartbeat/pid-file.js';
import { stateFiles } from '../heartbeat/state-files.js';
import { type Clock, pause } from '../platform/clock.js';
import { isRunning } from '../platform/process-identity.js';

export type MonitorLock =
  | { readonly held: true; release(): void }
  | { readonly held: false; readonly holderPid: number };

const TRIES = 40;
const LONGEST_PAUSE_MS = 50;

/**
 * Makes this process the only monitor of the state folder, without a database and without a lock that could go stale.
 * When it is, `monitor.pid` names it.
 *
 * Each candidate first writes a claim under its own nonce, and only then looks for the claims of others. Of two, the
 * one that looks later always sees the other, so two can never both stay. Who sees a running other withdraws; if both
 * did, each tries again after a random pause. A claim is removed only when its process is proved gone, and such a
 * process never comes back: so nobody's living claim is removed by mistake, and no reused pid can hold one.
 */
export async function takeMonitorLock(
  stateFolder: string,
  self: NamedIdentity,
  clock: Clock,
): Promise<MonitorLock> {
  const { monitorClaims: folder, monitorPid } = stateFiles(stateFolder);
  const claim = join(folder, self.nonce);
  let holderPid = 0;
  for (let tries = 0; tries < TRIES; tries += 1) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writePidFile(claim, self);
    const other = runningClaim(folder, self);
    if (other === null) {
      writePidFile(monitorPid, self);
      return { held: true, release: () => release(claim, monitorPid, self) };
    }
    rmSync(claim, { force: true });
    holderPid = other.pid;
    // A candidate may withdraw as we do; one that is named as the monitor will not.
    if (runningProcess(monitorPid)?.nonce === other.nonce) break;
    await pause(clock, Math.random() * LONGEST_PAUSE_MS);
  }
  return { held: false, holderPid };
}

function release(claim: string, monitorPid: string, self: NamedIdentity): void {
  removePidFile(monitorPid, self);
  rmSync(claim, { force: true });
}

function runningClaim(folder: string, self: NamedIdentity): NamedIdentity | null {
  for (const name of readdirSync(folder)) {
    if (name === self.nonce) continue;
    const path = join(folder, name);
    const claim = readPidFile(path);
    // Claims appear whole, by rename: what cannot be read is a temporary file, or none of ours.
    if (claim.status !== 'read') continue;
    if (isRunning(claim.content)) return claim.content;
    rmSync(path, { force: true });
  }
  return null;
}
