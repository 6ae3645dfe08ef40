import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { takeMonitorLock } from '../../src/health/monitor-lock.js';
import {
  type NamedIdentity,
  nameThisProcess,
  readPidFile,
  writePidFile,
} from '../../src/heartbeat/pid-file.js';
import { stateFiles } from '../../src/heartbeat/state-files.js';
import { systemClock } from '../../src/platform/clock.js';
import { identifyProcess } from '../../src/platform/process-identity.js';
import { tempFolder } from '../support/temp-folder.js';

function aChild(): NamedIdentity {
  const child = spawn('sleep', ['60']);
  onTestFinished(() => void child.kill('SIGKILL'));
  const identity = identifyProcess(child.pid ?? 0);
  if (identity === null) throw new Error('the child did not start');
  return { ...identity, nonce: `child-${identity.pid}` };
}

test('of many monitors that start at once exactly one stays', async () => {
  const stateFolder = tempFolder();
  const locks = await Promise.all(
    Array.from({ length: 8 }, () => takeMonitorLock(stateFolder, nameThisProcess(), systemClock)),
  );
  expect(locks.filter((lock) => lock.held)).toHaveLength(1);
});

test('a second monitor is told who the first one is', async () => {
  const stateFolder = tempFolder();
  const holder = aChild();
  const { monitorClaims, monitorPid } = stateFiles(stateFolder);
  mkdirSync(monitorClaims);
  writePidFile(join(monitorClaims, holder.nonce), holder);
  writePidFile(monitorPid, holder);
  const lock = await takeMonitorLock(stateFolder, nameThisProcess(), systemClock);
  expect(lock).toEqual({ held: false, holderPid: holder.pid });
});

test('the claim of a monitor that was killed holds nobody back, also when its pid runs again', async () => {
  const stateFolder = tempFolder();
  const reused = aChild();
  const { monitorClaims, monitorPid } = stateFiles(stateFolder);
  mkdirSync(monitorClaims);
  writePidFile(join(monitorClaims, 'dead'), {
    ...reused,
    startTicks: reused.startTicks - 100,
    nonce: 'dead',
  });
  const self = nameThisProcess();
  const lock = await takeMonitorLock(stateFolder, self, systemClock);
  expect(lock.held).toBe(true);
  expect(readPidFile(monitorPid)).toMatchObject({ content: { nonce: self.nonce } });
  expect(readdirSync(monitorClaims)).toEqual([self.nonce]);
});

test('a released lock is free at once', async () => {
  const stateFolder = tempFolder();
  const first = await takeMonitorLock(stateFolder, nameThisProcess(), systemClock);
  if (first.held) first.release();
  const second = await takeMonitorLock(stateFolder, nameThisProcess(), systemClock);
  expect(second.held).toBe(true);
});
