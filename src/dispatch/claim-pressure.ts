import type { Clock } from '../platform/clock.js';
import { sizeText } from '../platform/duration-text.js';
import type { Log } from '../platform/log.js';
import { type MachineRoom, type Pressure, type PressureLimits, pressureOn } from '../policy/pressure.js';

/** The machine is looked at this often: memory fills up in seconds, and a look costs some tens of microseconds. */
const LOOK_EVERY_MS = 2_000;

/** Watches whether the machine has room for further jobs, and says each change once. */
export class ClaimPressure {
  readonly #limits: PressureLimits;
  readonly #read: () => MachineRoom;
  readonly #clock: Clock;
  readonly #log: Log;
  #now: Pressure | null = null;
  #lookAgainAtMs = Number.NEGATIVE_INFINITY;

  constructor(limits: PressureLimits, read: () => MachineRoom, clock: Clock, log: Log) {
    this.#limits = limits;
    this.#read = read;
    this.#clock = clock;
    this.#log = log;
  }

  /** Why no job is to be claimed; null when there is room. As of the last look. */
  get now(): Pressure | null {
    return this.#now;
  }

  /** Looks again when it is time to. True when that changed the answer. */
  look(): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs < this.#lookAgainAtMs) return false;
    this.#lookAgainAtMs = nowMs + LOOK_EVERY_MS;
    const room = this.#read();
    const before = this.#now;
    this.#now = pressureOn(room, this.#limits, before);
    if (this.#now === before) return false;
    if (this.#now === null) this.#log.warn(room, `There is room again (${before}): jobs are taken up`);
    else
      this.#log.warn(
        { pressure: this.#now, ...room },
        `No further job is begun: ${describe(this.#now, room)}`,
      );
    return true;
  }
}

function describe(pressure: Pressure, { memoryUsed, diskFreeBytes }: MachineRoom): string {
  return pressure === 'memory'
    ? `${Math.round((memoryUsed ?? 0) * 100)} % of the memory is in use (memory.pauseAbove)`
    : `only ${sizeText(diskFreeBytes ?? 0)} of the disk are free (disk.pauseBelow)`;
}
