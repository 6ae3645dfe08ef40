import { type ChildProcess, spawn } from 'node:child_process';
import { delimiter, dirname } from 'node:path';
import type { Clock } from '../../platform/clock.js';

export interface Program {
  readonly argv: readonly string[];
  readonly folder: string;
  /** Beside our own environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Goes to its stdin as one line of JSON. */
  readonly input: object;
}

export interface ProgramEnd {
  /** null: exit 0. */
  readonly failure: string | null;
  /** What it printed, cut short; null for nothing. */
  readonly output: string | null;
}

const WITHIN_MS = 10_000;
/** Enough to see what went wrong. */
const OUTPUT_BYTES = 2_048;
/** Something that it left in the background may hold its pipes for ever. */
const PIPES_CLOSE_MS = 200;

/**
 * Runs a program in a process group of its own, without a shell. After 10 s, or when `signal` is aborted, the whole group is
 * killed. What it leaves in the background when it ends by itself is its own affair. Never rejects.
 */
export function runProgram(
  { argv, folder, env, input }: Program,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<ProgramEnd> {
  return new Promise((resolve) => {
    const [file = '', ...args] = argv;
    let child: ChildProcess;
    try {
      child = spawn(file, args, { cwd: folder, env: environmentWith(env), detached: true, stdio: 'pipe' });
    } catch (error) {
      resolve({ failure: `could not be started: ${(error as Error).message}`, output: null });
      return;
    }
    const output: Buffer[] = [];
    let outputBytes = 0;
    const keep = (chunk: Buffer) => {
      if (outputBytes < OUTPUT_BYTES) output.push(chunk.subarray(0, OUTPUT_BYTES - outputBytes));
      outputBytes += chunk.length;
    };
    const finish = (failure: string | null) => {
      cancelLimit();
      signal.removeEventListener('abort', stop);
      for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy();
      const said = Buffer.concat(output).toString().trim();
      resolve({ failure, output: said === '' ? null : said });
    };
    const end = (failure: string) => {
      killGroup(child);
      finish(failure);
    };
    const stop = () => end('the monitor ended');
    const cancelLimit = clock.after(WITHIN_MS, () => end(`took longer than ${WITHIN_MS / 1_000} s`));
    signal.addEventListener('abort', stop, { once: true });

    child.on('error', (error) => finish(`could not be started: ${error.message}`));
    child.once('exit', (code, killedBy) => {
      const failure = code === 0 ? null : code === null ? `was ended by ${killedBy}` : `exit ${code}`;
      const cancel = clock.after(PIPES_CLOSE_MS, () => finish(failure));
      child.once('close', () => {
        cancel();
        finish(failure);
      });
    });
    // Where the system has no pipes to give there are none, and the error above follows.
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    // It need not read what is offered to it.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(`${JSON.stringify(input)}\n`);
    // A monitor that is told to end waits for it only as long as it wants to.
    child.unref();
  });
}

/** The folder of this Node stands last in PATH, so `node` is always found. */
function environmentWith(env: Program['env']): NodeJS.ProcessEnv {
  const { PATH = '/usr/local/bin:/usr/bin:/bin' } = process.env;
  return { ...process.env, PATH: `${PATH}${delimiter}${dirname(process.execPath)}`, ...env };
}

function killGroup({ pid, exitCode, signalCode }: ChildProcess): void {
  // Until its exit is seen it is not reaped, so its pid cannot mean anybody else.
  if (pid === undefined || exitCode !== null || signalCode !== null) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // It has just gone, or all of it runs as another user.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ESRCH' && code !== 'EPERM') throw error;
  }
}
