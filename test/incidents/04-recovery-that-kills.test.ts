import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { endProcess } from '../../src/health/restart.js';
import { stopPair } from '../../src/health/stop-pair.js';
import { writePidFile } from '../../src/heartbeat/pid-file.js';
import { stateFiles } from '../../src/heartbeat/state-files.js';
import { systemClock } from '../../src/platform/clock.js';
import { identifyProcess } from '../../src/platform/process-identity.js';
import { tempFolder } from '../support/temp-folder.js';

/*
 * A monitor recovered by killing what its name pattern matched: an editor that had the file open, a second instance, the
 * shell that ran the search. Here: what becomes of processes. What becomes of files: 04-recovery-that-destroys.
 */

/** Somebody else's process, whose command line reads like our worker's. */
async function aNamesake(): Promise<ChildProcess & { readonly pid: number }> {
  const child = spawn(
    process.execPath,
    [
      '-e',
      'console.log("up"); setInterval(() => {}, 1000)',
      'dist/cli.js',
      'worker',
      '-c',
      'dogged.config.yaml',
    ],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  onTestFinished(() => void child.kill('SIGKILL'));
  if (child.stdout !== null) await once(child.stdout, 'data');
  if (child.pid === undefined) throw new Error('the namesake did not start');
  return Object.assign(child, { pid: child.pid });
}

/** A signal that was sent has had its effect by then, and its news has come through. */
async function lives(child: ChildProcess): Promise<boolean> {
  await new Promise((resolve) => setTimeout(resolve, 100));
  return child.exitCode === null && child.signalCode === null;
}

/** The old logic, as `pkill -f` has it: every process whose command line matches. */
function namedLike(pattern: RegExp): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => pattern.test(commandLineOf(pid)))
    .map(Number);
}

function commandLineOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return ''; // It ended between the listing and the look.
  }
}

test('the old logic, which goes by name, would have killed a stranger', async () => {
  const stranger = await aNamesake();
  expect(namedLike(/cli\.js worker/)).toContain(stranger.pid);
});

test('a stop signals nobody who is not proved ours: neither a namesake nor who has our old pid', async () => {
  const stranger = await aNamesake();
  const stateFolder = join(tempFolder(), 'state');
  mkdirSync(stateFolder);
  const files = stateFiles(stateFolder);
  const identity = identifyProcess(stranger.pid);
  if (identity === null) throw new Error('the namesake has gone');

  // Our worker had this pid, and died; the kernel has given it to somebody else since.
  writePidFile(files.workerPid, { ...identity, startTicks: identity.startTicks - 500, nonce: 'worker' });
  // Our monitor had it before the machine was started anew.
  writePidFile(files.monitorPid, { ...identity, bootId: 'the boot before', nonce: 'monitor' });
  const result = await stopPair({ stateFolder, graceMs: 100, clock: systemClock });
  expect(result).toMatchObject({ workerPid: null, monitorPid: null });

  // A file that only holds a number, as older tools write it, proves nothing either.
  writeFileSync(files.workerPid, `${stranger.pid}\n`);
  await stopPair({ stateFolder, graceMs: 100, clock: systemClock });
  expect(await lives(stranger)).toBe(true);
});

test('the end of a stuck worker reaches exactly that process', async () => {
  const [ours, stranger] = [await aNamesake(), await aNamesake()];
  const identity = identifyProcess(ours.pid);
  if (identity === null) throw new Error('the process has gone');
  expect(
    await endProcess({ ...identity, startTicks: 1 }, { how: 'kill', graceMs: 0, clock: systemClock }),
  ).toBe('gone');
  expect(await lives(ours)).toBe(true);
  expect(await endProcess(identity, { how: 'ask', graceMs: 2_000, clock: systemClock })).toBe('gone');
  expect(await lives(stranger)).toBe(true);
});
