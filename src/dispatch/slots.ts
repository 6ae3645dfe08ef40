import type { BeatSlot } from '../heartbeat/beat.js';
import type { JobId } from '../job/job.js';
import type { Claim } from '../store/contract.js';
import type { RunningAttempt } from './attempt.js';

/** A job in its slot, from its claim until its attempt is over. */
export interface Occupant {
  readonly claim: Pick<Claim, 'id' | 'task' | 'key'>;
  readonly sinceMonotonicMs: number;
  readonly timeoutMs: number;
  /** Wall time at which it is to be stopped, whatever it does. */
  readonly stopAtMs?: number | null;
  /** null for what a dead worker left that cannot be killed. */
  readonly attempt: RunningAttempt | null;
  /** The processes that keep it there then. */
  readonly orphanPids?: readonly number[];
}

/** Who sits where. Never more occupants than slots, but for jobs of a dead worker that cannot be proved gone. */
export class Slots {
  readonly #count: number;
  readonly #bySlot: (Occupant | null)[];
  readonly #slotOf = new Map<JobId, number>();
  readonly #runningByTask = new Map<string, number>();

  constructor(count: number) {
    this.#count = count;
    this.#bySlot = new Array<Occupant | null>(count).fill(null);
  }

  get taken(): number {
    return this.#slotOf.size;
  }

  get free(): number {
    return Math.max(0, this.#count - this.#slotOf.size);
  }

  get runningByTask(): ReadonlyMap<string, number> {
    return this.#runningByTask;
  }

  occupants(): Occupant[] {
    return this.#bySlot.filter((occupant) => occupant !== null);
  }

  find(id: JobId): Occupant | undefined {
    const slot = this.#slotOf.get(id);
    return slot === undefined ? undefined : (this.#bySlot[slot] ?? undefined);
  }

  take(occupant: Occupant): void {
    const empty = this.#bySlot.indexOf(null);
    const slot = empty >= 0 ? empty : this.#bySlot.length;
    this.#bySlot[slot] = occupant;
    this.#slotOf.set(occupant.claim.id, slot);
    this.#countTask(occupant.claim.task, 1);
  }

  leave(id: JobId): void {
    const slot = this.#slotOf.get(id);
    const occupant = slot === undefined ? null : (this.#bySlot[slot] ?? null);
    if (slot === undefined || occupant === null) return;
    this.#slotOf.delete(id);
    this.#bySlot[slot] = null;
    while (this.#bySlot.length > this.#count && this.#bySlot.at(-1) === null) this.#bySlot.pop();
    this.#countTask(occupant.claim.task, -1);
  }

  oldestMs(nowMonotonicMs: number): number {
    return this.occupants().reduce(
      (oldest, { sinceMonotonicMs }) => Math.max(oldest, nowMonotonicMs - sinceMonotonicMs),
      0,
    );
  }

  describe(nowMonotonicMs: number): BeatSlot[] {
    return this.#bySlot.map((occupant, slot) => {
      if (occupant === null) return { slot, state: 'idle' };
      const { claim, sinceMonotonicMs, timeoutMs, attempt, orphanPids } = occupant;
      const progress = attempt?.progress() ?? null;
      return {
        slot,
        state: 'working',
        job: claim.id,
        task: claim.task,
        key: claim.key,
        sinceMs: Math.round(nowMonotonicMs - sinceMonotonicMs),
        timeoutMs,
        ...(progress === null ? {} : { progress }),
        ...(orphanPids === undefined ? {} : { orphanPids }),
      };
    });
  }

  #countTask(task: string, by: 1 | -1): void {
    const running = (this.#runningByTask.get(task) ?? 0) + by;
    if (running === 0) this.#runningByTask.delete(task);
    else this.#runningByTask.set(task, running);
  }
}
