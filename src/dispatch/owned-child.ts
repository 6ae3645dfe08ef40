import type { Readable, Writable } from 'node:stream';
import { type Clock, pause } from '../platform/clock.js';
import { isGroupEmpty } from './sweep.js';

/** As much of a child of execa's as is needed here; its promise waits for the pipes, too. */
interface Subprocess
  extends PromiseLike<{ readonly code?: string | undefined; readonly originalMessage?: string | undefined }> {
  readonly pid?: number | undefined;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  once(event: 'exit', listener: (exitCode: number | null, signal: string | null) => void): unknown;
}

export interface ChildExit {
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** Set when it could not be started at all. */
  readonly spawnError: { readonly code: string; readonly message: string } | null;
}

export interface OwnedChildOptions {
  readonly subprocess: Subprocess;
  readonly clock: Clock;
  /** Kills what descends from the child; resolves when nothing of it is left. */
  readonly sweep: (pid: number) => Promise<void>;
  /** Called once when all is over. */
  readonly onGone: (sweptThoroughly: boolean) => void;
}

/** Pipes close with the last process that holds them: longer than this, and somebody still does. */
const PIPES_CLOSE_MS = 100;
/** After a sweep only somebody who is no longer known as ours can hold them; what was written is read by then. */
const STRANGER_MS = 1_000;
const GROUP_CHECK_MS = 20;

/** One child in its own process group and session, with everything that descends from it. */
export class OwnedChild {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** When the child itself has ended or could not start; what it forked may still live. Never rejects. */
  readonly exited: Promise<ChildExit>;
  readonly #options: OwnedChildOptions;
  /** null when it could not be started. */
  readonly #pid: number | null;
  /** Execa's own promise, which waits for the pipes too: a descendant may hold them open for ever. */
  readonly #pipesClosed: Promise<unknown>;
  #exitSeen = false;
  #killAtMs: number | null = null;
  #cancelKill: () => void = nothing;

  constructor(options: OwnedChildOptions) {
    const { subprocess } = options;
    this.#options = options;
    this.#pid = subprocess.pid ?? null;
    this.stdin = subprocess.stdin;
    this.stdout = subprocess.stdout;
    this.stderr = subprocess.stderr;
    // A child may end without having read its input; that is its own affair.
    this.stdin.on('error', nothing);
    const settled = Promise.resolve(subprocess);
    this.#pipesClosed = settled;
    this.exited =
      this.#pid === null
        ? settled.then(({ code = 'UNKNOWN', originalMessage: message = 'it could not be started' }) => {
            return { exitCode: null, signal: null, spawnError: { code, message } };
          })
        : new Promise((resolve) => {
            subprocess.once('exit', (exitCode, signal) => {
              this.#exitSeen = true;
              resolve({ exitCode, signal, spawnError: null });
            });
          });
  }

  /**
   * Ends it: SIGTERM to its group, and SIGKILL when `graceMs` are over. A later call may only hasten it; 0 kills at once.
   */
  terminate(graceMs: number): void {
    const { clock } = this.#options;
    const atMs = clock.monotonicMs() + graceMs;
    if (this.#killAtMs !== null && atMs >= this.#killAtMs) return;
    if (this.#killAtMs === null && graceMs > 0) this.#signalGroup('SIGTERM');
    this.#killAtMs = atMs;
    this.#cancelKill();
    if (graceMs <= 0) this.#signalGroup('SIGKILL');
    else this.#cancelKill = clock.after(graceMs, () => this.#signalGroup('SIGKILL'));
  }

  /**
   * Resolves when the child and what it left behind are gone and its pipes are read to their end. `thorough` looks
   * through the whole process table at once; else only its group is checked, and a sweep follows within a second.
   */
  async gone(thorough: boolean): Promise<void> {
    await this.exited;
    if (this.#pid !== null) {
      await this.#waitForGroup(this.#pid);
      this.#cancelKill();
      if (thorough || !isGroupEmpty(this.#pid)) await this.#options.sweep(this.#pid);
      if (!(await this.#pipesCloseWithin(PIPES_CLOSE_MS))) await this.#dropPipes(this.#pid);
    }
    this.#options.onGone(thorough);
  }

  /** Those who were told to end together have the same grace as the first of them. */
  async #waitForGroup(pid: number): Promise<void> {
    const { clock } = this.#options;
    while (this.#killAtMs !== null && clock.monotonicMs() < this.#killAtMs && !isGroupEmpty(pid)) {
      await pause(clock, GROUP_CHECK_MS);
    }
  }

  async #dropPipes(pid: number): Promise<void> {
    await this.#options.sweep(pid);
    if (await this.#pipesCloseWithin(STRANGER_MS)) return;
    this.stdout.destroy();
    this.stderr.destroy();
  }

  #pipesCloseWithin(withinMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(withinMs, () => resolve(false));
      void this.#pipesClosed.then(() => {
        cancel();
        resolve(true);
      });
    });
  }

  #signalGroup(signal: 'SIGTERM' | 'SIGKILL'): void {
    // Until its exit is seen it is not reaped, so its pid cannot mean anybody else.
    if (this.#pid === null || this.#exitSeen) return;
    try {
      process.kill(-this.#pid, signal);
    } catch (error) {
      // ESRCH: it has just gone. EPERM: all of it runs as another user, and the sweep will say so.
      const code = (error as NodeJS.ErrnoException).code;
      if (code !== 'ESRCH' && code !== 'EPERM') throw error;
    }
  }
}

function nothing(): void {
  // Deliberately nothing: see where it is used.
}
