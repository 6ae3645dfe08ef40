import { spawn } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import {
  nameThisProcess,
  readPidFile,
  removePidFile,
  runningProcess,
  writePidFile,
} from '../../src/heartbeat/pid-file.js';
import { identifyProcess } from '../../src/platform/process-identity.js';
import { tempFolder } from '../support/temp-folder.js';

test('the first line of a pid file is the pid alone, and only its owner may read it', () => {
  const path = join(tempFolder(), 'worker.pid');
  writePidFile(path, nameThisProcess());
  expect(readFileSync(path, 'utf8').split('\n')[0]).toBe(String(process.pid));
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(runningProcess(path)?.pid).toBe(process.pid);
});

test('a pid that now belongs to another process is not taken for the one that wrote the file', () => {
  const path = join(tempFolder(), 'worker.pid');
  const own = nameThisProcess();
  writePidFile(path, { ...own, startTicks: own.startTicks - 1 });
  expect(readPidFile(path).status).toBe('read');
  expect(runningProcess(path)).toBeNull();
  writePidFile(path, { ...own, bootId: 'another boot' });
  expect(runningProcess(path)).toBeNull();
});

test('a process that has ended is not running, whatever the file says', async () => {
  const path = join(tempFolder(), 'worker.pid');
  const child = spawn('sleep', ['60']);
  onTestFinished(() => void child.kill('SIGKILL'));
  const identity = identifyProcess(child.pid ?? 0);
  if (identity === null) throw new Error('the child did not start');
  writePidFile(path, { ...identity, nonce: 'n' });
  expect(runningProcess(path)?.pid).toBe(child.pid);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
  expect(runningProcess(path)).toBeNull();
});

test('a file with a pid and no proof names nobody', () => {
  const path = join(tempFolder(), 'worker.pid');
  writeFileSync(path, `${process.pid}\n`);
  expect(readPidFile(path).status).toBe('invalid');
  expect(runningProcess(path)).toBeNull();
});

test('a pid file is removed by the process that wrote it, never by another', () => {
  const path = join(tempFolder(), 'worker.pid');
  const first = nameThisProcess();
  const second = nameThisProcess();
  writePidFile(path, second);
  removePidFile(path, first);
  expect(existsSync(path)).toBe(true);
  removePidFile(path, second);
  expect(existsSync(path)).toBe(false);
});
