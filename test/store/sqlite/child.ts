import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { onTestFinished } from 'vitest';
import { builtCli } from '../../support/built-program.js';

export interface StoreProcess {
  readonly process: ChildProcess;
  /** Text on stdout so far. */
  output(): string;
  /** Resolves when it has ended, with the exit code or the signal's name. */
  readonly ended: Promise<number | NodeJS.Signals | null>;
}

/**
 * A real process that runs `script` with the built store at hand: `open`, `acquireStateLock`, `snapshot`, `clock`, and
 * `folder`. It is killed when the test ends.
 */
export function runStoreProcess(
  folder: string,
  script: string,
  env: Readonly<Record<string, string>> = {},
): StoreProcess {
  const dist = dirname(builtCli());
  const url = (path: string) => JSON.stringify(pathToFileURL(join(dist, path)).href);
  const prelude = `
    const { openStore, acquireStateLock } = await import(${url('store/open.js')});
    const snapshot = await import(${url('job/snapshot.js')});
    const { systemClock: clock } = await import(${url('platform/clock.js')});
    const folder = ${JSON.stringify(folder)};
    const open = (use) => openStore(folder, use, clock);
    const T0 = ${Date.UTC(2026, 0, 1)};
    const record = (key, more = {}) => ({
      key, occurrenceIn: null, version: { hash: snapshot.ledgerHash(key), order: null }, onChange: 'ignore',
      payload: snapshot.takeSnapshot(Buffer.from(JSON.stringify({ title: key }))), task: 'build', priority: 0,
      runAtMs: T0, expiresAtMs: null, timeoutMs: null, group: null, maxAttempts: 3, ...more,
    });
    const batch = (keys, more = {}) => ({
      scope: { workspace: 'default', kind: 'source', name: 'ideas' }, cycle: 'c', rejects: [], rereadPaths: [],
      cursors: [], nowMs: T0, records: keys.map((key) => record(key)), ...more,
    });
    const turn = (store, more = {}) =>
      store.turn({ ends: [], freeSlots: 9, eligible: [{ task: 'build', room: 9 }], nowMs: T0, ...more });
    const end = ({ id, epoch, attempt }) => ({
      claim: { id, epoch, attempt }, next: { to: 'completed' },
      report: {
        outcome: { kind: 'done', result: null }, startedAtMs: T0, endedAtMs: T0, exitCode: 0, signal: null,
        stdout: null, stderr: null,
      },
    });
    const owner = { bootId: 'b', pid: process.pid, startTicks: 1, nonce: 'n' };
  `;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', prelude + script], {
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const ended = once(child, 'close').then(([code, signal]) => {
    if (code !== null && code !== 0) throw new Error(`the child failed with ${code}: ${errors}`);
    return (code ?? signal) as number | NodeJS.Signals | null;
  });
  return { process: child, output: () => output, ended };
}
