import { fileURLToPath } from 'node:url';
import type { TaskConfig, TaskRunner } from '../config/config.js';
import type { JobId } from '../job/job.js';
import type { Claim } from '../store/contract.js';
import type { RunContext, Runner, RunningAttempt } from './attempt.js';
import { PooledAttempt } from './pooled-attempt.js';
import { ServiceChild } from './service-child.js';

type LongLivedRunner = Extract<TaskRunner, { kind: 'service' | 'module' }>;

const MODULE_HOST = fileURLToPath(new URL('./module-host.js', import.meta.url));

/** How long an idle child has to end by itself once its input is closed. */
const IDLE_END_MS = 1_000;

/**
 * The long-lived children of one task. They are started when there is work, and replaced when they go. Each holds up to
 * `pipeline` jobs at once. A child that dies with several in hand leaves nobody to blame: all are given back uncharged, and
 * each runs alone the next time.
 */
export class ServicePool implements Runner {
  readonly #task: TaskConfig;
  readonly #runner: LongLivedRunner;
  readonly #argv: readonly string[];
  readonly #context: RunContext;
  readonly #children = new Set<ServiceChild>();
  /** In the order in which they came. */
  readonly #waiting: PooledAttempt[] = [];
  /** In hand when a child died, together with others. */
  readonly #suspects = new Set<JobId>();
  #isClosing = false;

  constructor(task: TaskConfig, runner: LongLivedRunner, context: RunContext, moduleHost = MODULE_HOST) {
    this.#task = task;
    this.#runner = runner;
    this.#argv = runner.kind === 'service' ? runner.argv : [process.execPath, moduleHost, runner.path];
    this.#context = context;
  }

  /** The caller keeps to the task's limit: see `concurrencyOf`. */
  start(claim: Claim): RunningAttempt {
    const attempt = new PooledAttempt(claim, this.#context.clock);
    this.#waiting.push(attempt);
    this.#seat();
    return attempt;
  }

  async close(graceMs: number): Promise<void> {
    this.#isClosing = true;
    const waitMs = Math.min(graceMs, IDLE_END_MS);
    await Promise.all([...this.#children].map((child) => child.close(waitMs)));
  }

  /** Gives what waits to children with room, first come, first served: nobody overtakes one that must run alone. */
  #seat(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (!next.isOver) {
        const isAlone = this.#suspects.has(next.claim.id);
        const child = this.#childFor(isAlone);
        if (child === null) return;
        next.begin(child.run(next.claim, isAlone));
      }
      this.#waiting.shift();
    }
  }

  /** The child with the fewest jobs; a new one while there may be more. */
  #childFor(isAlone: boolean): ServiceChild | null {
    const depth = isAlone ? 1 : this.#runner.pipeline;
    let best: ServiceChild | null = null;
    for (const child of this.#children) {
      if (child.hasRoom(depth) && (best === null || child.load < best.load)) best = child;
    }
    if (best?.load === 0) return best;
    const mayHire = this.#children.size < this.#runner.workers && !this.#isClosing;
    return mayHire ? this.#hire() : best;
  }

  #hire(): ServiceChild {
    const child = new ServiceChild(this.#task, this.#argv, this.#context, {
      onRoom: () => this.#seat(),
      onBlame: (id, isSuspect) => {
        if (isSuspect) this.#suspects.add(id);
        else this.#suspects.delete(id);
      },
    });
    this.#children.add(child);
    void child.ended.then(() => {
      this.#children.delete(child);
      this.#seat();
    });
    return child;
  }
}
