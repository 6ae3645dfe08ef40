import type { BreakerConfig, ProbeConfig } from '../config/config.js';
import { atDeadline, type RunContext } from './attempt.js';
import { taskEnvironment } from './child-environment.js';
import { outcomeOfExit } from './exit-outcome.js';
import { CappedOutput } from './output.js';
import type { OwnedChild } from './owned-child.js';
import { readThrottled } from './read-throttled.js';

/** What a probe found. */
export interface ProbeResult {
  readonly dependency: string;
  readonly isWell: boolean;
  /** How it ended: `exit 0`, `exit 7: connection refused`. */
  readonly text: string;
}

/** Long enough for a request over a bad network; a probe that hangs must not keep the queue waiting. */
const PROBE_TIMEOUT_MS = 10_000;
/** Of its output only the last line of stderr is shown. */
const OUTPUT_BYTES = 4_096;

/** The probe commands that run now: children like those of jobs, swept as they are, but in no slot. */
export class Probes {
  readonly #context: RunContext;
  readonly #onResult: (result: ProbeResult) => void;
  readonly #running = new Map<OwnedChild, Promise<void>>();
  #closing = false;

  constructor(context: RunContext, onResult: (result: ProbeResult) => void) {
    this.#context = context;
    this.#onResult = onResult;
  }

  get running(): number {
    return this.#running.size;
  }

  start({ dependency, probe }: BreakerConfig): void {
    if (probe === null || this.#closing) return;
    const child = this.#spawn(dependency, probe);
    const finished = this.#finish(child, dependency).finally(() => this.#running.delete(child));
    this.#running.set(child, finished);
  }

  /** Kills those that run; nobody hears of them any more. */
  async close(): Promise<void> {
    this.#closing = true;
    for (const child of this.#running.keys()) child.terminate(0);
    await Promise.all(this.#running.values());
  }

  #spawn(dependency: string, { argv, task, env }: ProbeConfig): OwnedChild {
    const child = this.#context.children.spawn({
      argv,
      shell: false,
      env: taskEnvironment({ name: task, env }, this.#context.stateFolder),
      label: `the probe of ${dependency}`,
    });
    child.stdin.end();
    return child;
  }

  async #finish(child: OwnedChild, dependency: string): Promise<void> {
    const { clock } = this.#context;
    const stdout = new CappedOutput(OUTPUT_BYTES);
    const stderr = new CappedOutput(OUTPUT_BYTES);
    readThrottled(child.stdout, clock, (chunk) => stdout.push(chunk));
    readThrottled(child.stderr, clock, (chunk) => stderr.push(chunk));
    let isLate = false;
    const cancel = atDeadline(clock, PROBE_TIMEOUT_MS, () => {
      isLate = true;
      child.terminate(0);
    });
    const exit = await child.exited;
    cancel();
    await child.gone(isLate || exit.exitCode !== 0);
    if (this.#closing) return;
    const outcome = outcomeOfExit(exit, stdout, stderr);
    if (isLate) this.#tell(dependency, false, `longer than ${PROBE_TIMEOUT_MS / 1000} s`);
    else if (outcome.kind === 'done') this.#tell(dependency, true, 'exit 0');
    else this.#tell(dependency, false, outcome.reason);
  }

  #tell(dependency: string, isWell: boolean, text: string): void {
    this.#onResult({ dependency, isWell, text });
  }
}
