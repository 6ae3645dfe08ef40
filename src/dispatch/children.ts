import { execa } from 'execa';
import { type Clock, pause } from '../platform/clock.js';
import type { Log } from '../platform/log.js';
import { type ChildMark, inheritedEnvironment, MARK_VARIABLES } from './child-environment.js';
import { OwnedChild } from './owned-child.js';
import { ownStartTicks, sweep } from './sweep.js';

export interface ChildSpec {
  readonly argv: readonly string[];
  /** The first of `argv` is a command for /bin/sh. */
  readonly shell: boolean;
  readonly env: Readonly<Record<string, string>>;
  /** For the log: whose child this is. */
  readonly label: string;
}

/** How long one sweep tries before it says so and begins again. */
const SWEEP_MS = 2_000;
const BETWEEN_SWEEPS_MS = 5_000;
const LATE_SWEEP_MS = 1_000;

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
    const { mark, folder, clock } = this.#options;
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
    return new OwnedChild({
      subprocess,
      clock,
      sweep: (pid) => this.#sweepChild(id, pid, spec.label),
      onGone: (sweptThoroughly) => {
        this.#live.delete(id);
        if (!sweptThoroughly) this.#sweepLater();
      },
    });
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
}
