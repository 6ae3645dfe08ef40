import { fileURLToPath } from 'node:url';
import type { TaskConfig, TaskRunner } from '../config/config.js';
import { isIntact } from '../job/snapshot.js';
import type { Claim } from '../store/contract.js';
import { endedAtOnce, type RunContext, type Runner, type RunningAttempt } from './attempt.js';
import { ServiceChild } from './service-child.js';

type LongLivedRunner = Extract<TaskRunner, { kind: 'service' | 'module' }>;

const MODULE_HOST = fileURLToPath(new URL('./module-host.js', import.meta.url));

/** How long an idle child has to end by itself once its input is closed. */
const IDLE_END_MS = 1_000;

/** The long-lived children of one task. They are started when there is work, and replaced when they go. */
export class ServicePool implements Runner {
  readonly #task: TaskConfig;
  readonly #argv: readonly string[];
  readonly #context: RunContext;
  readonly #children = new Set<ServiceChild>();

  constructor(task: TaskConfig, runner: LongLivedRunner, context: RunContext, moduleHost = MODULE_HOST) {
    this.#task = task;
    this.#argv = runner.kind === 'service' ? runner.argv : [process.execPath, moduleHost, runner.path];
    this.#context = context;
  }

  /** The caller keeps to the task's number of workers: see `concurrencyOf`. */
  start(claim: Claim): RunningAttempt {
    if (!isIntact(claim.payload)) {
      const reason = 'the stored payload does not match its hash';
      return endedAtOnce({ kind: 'damaged', reason }, this.#context.clock);
    }
    for (const child of this.#children) {
      if (child.isIdle) return child.run(claim);
    }
    return this.#hire().run(claim);
  }

  async close(graceMs: number): Promise<void> {
    const waitMs = Math.min(graceMs, IDLE_END_MS);
    await Promise.all([...this.#children].map((child) => child.close(waitMs)));
  }

  #hire(): ServiceChild {
    const child = new ServiceChild(this.#task, this.#argv, this.#context);
    this.#children.add(child);
    void child.ended.then(() => this.#children.delete(child));
    return child;
  }
}
