import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import { builtCli } from './built-program.js';
import { until } from './until.js';

interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder in which the real program is used as a user would, and which is stopped when the test is over. */
export interface Workplace {
  readonly folder: string;
  run(...args: string[]): Ran;
  /** The same without blocking this process, for a program that talks with it. */
  runAside(...args: string[]): Promise<Ran>;
  /** Runs with `--json` and parses each line of stdout. */
  // biome-ignore lint/suspicious/noExplicitAny: the shapes are what these tests look into
  json(...args: string[]): any[];
  workerPid(): number;
}

export function workplace(folder: string, environment: NodeJS.ProcessEnv = {}): Workplace {
  const env = {
    ...process.env,
    NO_COLOR: '1',
    DOGGED__POLL: '100ms',
    DOGGED__HEARTBEAT: '1s',
    ...environment,
  };
  const run = (...args: string[]): Ran => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [builtCli(), ...args], {
      cwd: folder,
      env,
      encoding: 'utf8',
      timeout: 60_000,
    });
    return { status, stdout, stderr };
  };
  onTestFinished(() => {
    const pidFiles = ['worker.pid', 'monitor.pid'].map((name) => join(folder, 'state', name));
    if (pidFiles.some((file) => existsSync(file))) run('stop', '--timeout', '5s');
  });
  return {
    folder,
    run,
    async runAside(...args) {
      const child = spawn(process.execPath, [builtCli(), ...args], { cwd: folder, env, timeout: 60_000 });
      const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
      const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
      return { status: await ended, stdout, stderr };
    },
    json: (...args) => {
      const { stdout } = run(...args, '--json');
      return stdout
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line));
    },
    workerPid: () => Number(readFileSync(join(folder, 'state', 'worker.pid'), 'utf8').split('\n')[0]),
  };
}

/** Waits until the worker's pid file names another process than `pid`. */
export function untilReplaced(place: Workplace, pid: number, withinMs = 5_000): Promise<number> {
  return until(
    () => {
      const now = place.workerPid();
      return now === pid ? null : now;
    },
    { withinMs },
  );
}
