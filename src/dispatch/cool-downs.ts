import type { TaskConfig } from '../config/config.js';
import type { OutcomeKind } from '../job/outcome.js';
import { type CoolDown, claimsAllowed, coolDownAfter } from '../policy/cool-down.js';

/** Which tasks are passed over because their program or dependency is away. Forgotten when the worker ends. */
export class CoolDowns {
  readonly #byTask = new Map<string, CoolDown>();

  names(): ReadonlySet<string> {
    const down = [...this.#byTask].filter(([, { untilMonotonicMs }]) => untilMonotonicMs !== null);
    return new Set(down.map(([task]) => task));
  }

  claimsAllowed(task: string, running: number, nowMonotonicMs: number): number {
    return claimsAllowed(this.#byTask.get(task) ?? null, running, nowMonotonicMs);
  }

  /** What was cut off from outside says nothing about the task. */
  learn(task: TaskConfig, outcome: OutcomeKind, nowMonotonicMs: number, random: number): void {
    if (outcome === 'released' || outcome === 'cancelled') return;
    const before = this.#byTask.get(task.name) ?? null;
    const moment = { nowMonotonicMs, random };
    const after = coolDownAfter(before, outcome === 'unavailable', task.retry.backoff, moment);
    if (after === null) this.#byTask.delete(task.name);
    else this.#byTask.set(task.name, after);
  }

  /** When the next of those tasks may be tried again that were passed over at `judgedMonotonicMs`; null for none. */
  nextEndMs(judgedMonotonicMs: number): number | null {
    let nextMs: number | null = null;
    for (const { untilMonotonicMs } of this.#byTask.values()) {
      if (untilMonotonicMs === null || untilMonotonicMs <= judgedMonotonicMs) continue;
      nextMs = Math.min(untilMonotonicMs, nextMs ?? untilMonotonicMs);
    }
    return nextMs;
  }
}
