/** Why the worker takes no jobs although it could: the machine has no room for what they would need. */
export type Pressure = 'memory' | 'disk';

export interface PressureLimits {
  /** Share of the memory, 0 to 1. null: never. */
  readonly memoryAbove: number | null;
  /** Free bytes on the disk of the state folder. null: never. */
  readonly diskBelowBytes: number | null;
}

/** What was read of the machine; null where it could not be: that holds nothing back. */
export interface MachineRoom {
  readonly memoryUsed: number | null;
  readonly diskFreeBytes: number | null;
}

/** A pause ends only when there is plainly room again, or each job would end it and begin it anew. */
const MEMORY_EASE = 0.03;
const DISK_EASE = 1.1;

/**
 * What holds claims back now. `before` is the last answer: once held, it takes 3 % of the memory, or 10 % more of the wanted
 * disk, to go on.
 */
export function pressureOn(
  { memoryUsed, diskFreeBytes }: MachineRoom,
  { memoryAbove, diskBelowBytes }: PressureLimits,
  before: Pressure | null,
): Pressure | null {
  if (diskBelowBytes !== null && diskFreeBytes !== null) {
    const wanted = before === 'disk' ? diskBelowBytes * DISK_EASE : diskBelowBytes;
    if (diskFreeBytes < wanted) return 'disk';
  }
  if (memoryAbove !== null && memoryUsed !== null) {
    const allowed = before === 'memory' ? memoryAbove - MEMORY_EASE : memoryAbove;
    if (memoryUsed > allowed) return 'memory';
  }
  return null;
}
