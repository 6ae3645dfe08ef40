import type { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { execa } from 'execa';
import { type Clock, pause } from '../platform/clock.js';
import type { Log } from '../platform/log.js';
import { type ChildMark, inheritedEnvironment, MARK_VARIABLES } from './child-environment.js';
import { isGroupEmpty, ownStartTicks, sweep } from './sweep.js';

export interface ChildSpec {
  readonly argv: readonly string[];
  /** The first of `argv` is a command for /bin/sh. */
  readonly shell: boolean;
  readonly env: Readonly<Record<string, string>>;
  /** For the log: whose child this is. */
  readonly label: string;
}

export interface ChildExit {
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** Set when it could not be started at all. */
  readonly spawnError: { readonly code: string; readonly message: string } | null;
}

/** One child in its own process group and session, with everything that descends from it. */
export interface OwnedChild {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** When the child itself has ended or could not start; what it forked may still live. Never rejects. */
  readonly exited: Promise<ChildExit>;
  /**
   * Ends it: SIGTERM to its group, and SIGKILL when `graceMs` are over. A later call may only hasten it; 0 kills at once.
   */
  terminate(graceMs: number): void;
  /**
   * Resolves when the child and what it left behind are gone and its pipes are read to their end. `thorough` looks
   * through the whole process table at once; else only its group is checked, and a sweep follows within a second.
   */
  gone(thorough: boolean): Promise<void>;
}

/** How long one sweep tries before it says so and begins again. */
const SWEEP_MS = 2_000;
const BETWEEN_SWEEPS_MS = 5_000;
/** Pipes close with the last process that holds them: longer than this, and somebody still does. */
const PIPES_CLOSE_MS = 100;
/** After a sweep only somebody who is no longer known as ours can hold them; what was written is read by then. */
const STRANGER_MS = 1_000;
const LATE_SWEEP_MS = 1_000;
const GROUP_CHECK_MS = 20;

export interface ChildrenOptions {
  readonly mark: ChildMark;
  /** Working directory of every child. */
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Starts children and answers for what becomes of them: nothing that they fork outlives their end unnoticed. */
export class Children {
  readonly #options: ChildrenOptions;
  readonly #inherited = inheritedEnvironment(process.env);
  readonly #startedSinceTicks = ownStartTicks();
  readonly #live = new Set<string>();
  readonly #abandoned = new AbortController();
  #lastId = 0;
  #lateSweep: (() => void) | null = null;

  constructor(options: ChildrenOptions) {
    this.#options = options;
  }

  spawn(spec: ChildSpec): OwnedChild {
    this.#lastId += 1;
    const id = String(this.#lastId);
    this.#live.add(id);
    const { mark, folder } = this.#options;
    const [file = '', ...rest] = spec.argv;
    const subprocess = execa(file, rest, {
      cwd: folder,
      env: {
        ...this.#inherited,
        ...spec.env,
        [MARK_VARIABLES.storeId]: mark.storeId,
        [MARK_VARIABLES.nonce]: mark.nonce,
        [MARK_VARIABLES.child]: id,
      },
      extendEnv: false,
      shell: spec.shell,
      // Its own session and group: a signal reaches all of it, and none of ours reaches it by accident.
      detached: true,
      cleanup: false,
      reject: false,
      buffer: false,
      stdin: 'pipe',
      stdout: 'pipe',
      stderr: 'pipe',
    });
    // Execa's promise waits for the pipes, which a descendant may hold open for ever: the exit is what counts here.
    const settled = subprocess.then((result) => result);
    const { pid } = subprocess;
    const exited =
      pid === undefined
        ? settled.then((result) => spawnFailure(result))
        : new Promise<ChildExit>((resolve) => {
            subprocess.once('exit', (exitCode, signal) => resolve({ exitCode, signal, spawnError: null }));
          });
    // A child may end without having read its input; that is its own affair.
    subprocess.stdin.on('error', ignore);

    let exitSeen = pid === undefined;
    let cancelKill: (() => void) | null = null;
    let killAtMs: number | null = null;
    void exited.then(() => {
      exitSeen = true;
    });
    const { clock } = this.#options;

    const signalGroup = (signal: 'SIGTERM' | 'SIGKILL') => {
      // Until its exit is seen it is not reaped, so its pid cannot mean anybody else.
      if (pid !== undefined && !exitSeen) killGroup(pid, signal);
    };

    return {
      stdin: subprocess.stdin,
      stdout: subprocess.stdout,
      stderr: subprocess.stderr,
      exited,
      terminate: (graceMs) => {
        const atMs = clock.monotonicMs() + graceMs;
        if (killAtMs !== null && atMs >= killAtMs) return;
        if (killAtMs === null && graceMs > 0) signalGroup('SIGTERM');
        killAtMs = atMs;
        cancelKill?.();
        if (graceMs <= 0) signalGroup('SIGKILL');
        else cancelKill = clock.after(graceMs, () => signalGroup('SIGKILL'));
      },
      gone: async (thorough) => {
        await exited;
        while (pid !== undefined && killAtMs !== null && clock.monotonicMs() < killAtMs) {
          if (isGroupEmpty(pid)) break;
          await pause(clock, GROUP_CHECK_MS);
        }
        cancelKill?.();
        if (pid !== undefined && (thorough || !isGroupEmpty(pid)))
          await this.#sweepChild(id, pid, spec.label);
        if (!(await this.#settlesWithin(settled, PIPES_CLOSE_MS)) && pid !== undefined) {
          await this.#sweepChild(id, pid, spec.label);
          if (!(await this.#settlesWithin(settled, STRANGER_MS))) {
            subprocess.stdout.destroy();
            subprocess.stderr.destroy();
          }
        }
        this.#live.delete(id);
        if (!thorough) this.#sweepLater();
      },
    };
  }

  /** Kills whatever carries our mark and is not a live child any more. Run once more when a worker stops. */
  async sweepStrays(): Promise<void> {
    const { mark, clock, log } = this.#options;
    const { killed, survivors } = await sweep(
      {
        isMarked: (found) =>
          found.storeId === mark.storeId &&
          found.nonce === mark.nonce &&
          found.child !== null &&
          !this.#live.has(found.child),
        startedSinceTicks: this.#startedSinceTicks,
      },
      clock,
      SWEEP_MS,
    );
    if (killed > 0) log.warn({ killed }, `Killed ${killed} process(es) that ended jobs had left behind`);
    if (survivors.length > 0) {
      log.error({ pids: survivors.map(({ pid }) => pid) }, 'Processes of ended jobs cannot be killed');
    }
  }

  /** No longer waits for what cannot be killed: the store keeps those jobs as running, for the next worker to mend. */
  abandon(): void {
    this.#lateSweep?.();
    this.#lateSweep = null;
    this.#abandoned.abort();
  }

  async #sweepChild(id: string, pid: number, label: string): Promise<void> {
    const { mark, clock, log } = this.#options;
    const { signal } = this.#abandoned;
    const target = {
      leaders: [pid],
      isMarked: (found: { storeId: string | null; nonce: string | null; child: string | null }) =>
        found.storeId === mark.storeId && found.nonce === mark.nonce && found.child === id,
      startedSinceTicks: this.#startedSinceTicks,
    };
    for (;;) {
      const { survivors } = await sweep(target, clock, SWEEP_MS);
      if (survivors.length === 0 || signal.aborted) return;
      const pids = survivors.map((survivor) => survivor.pid);
      log.error(
        { pids },
        `${label} left processes that cannot be killed: ${pids.join(', ')}; it stays running`,
      );
      await pause(clock, BETWEEN_SWEEPS_MS, signal);
    }
  }

  #sweepLater(): void {
    if (this.#abandoned.signal.aborted) return;
    this.#lateSweep ??= this.#options.clock.after(
      LATE_SWEEP_MS,
      () => {
        this.#lateSweep = null;
        this.sweepStrays().catch((error: unknown) => {
          this.#options.log.error({ err: error }, 'Could not look for processes that ended jobs left behind');
        });
      },
      { background: true },
    );
  }

  #settlesWithin(settled: Promise<unknown>, withinMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(withinMs, () => resolve(false));
      void settled.then(() => {
        cancel();
        resolve(true);
      });
    });
  }
}

function killGroup(pid: number, signal: keyof typeof constants.signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // ESRCH: it has just gone. EPERM: all of it runs as another user, and the sweep will say so.
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'ESRCH' && code !== 'EPERM') throw error;
  }
}

function spawnFailure(result: {
  code?: string | undefined;
  originalMessage?: string | undefined;
}): ChildExit {
  return {
    exitCode: null,
    signal: null,
    spawnError: {
      code: result.code ?? 'UNKNOWN',
      message: result.originalMessage ?? 'it could not be started',
    },
  };
}

function ignore(): void {
  // Deliberately nothing: see where it is used.
}
