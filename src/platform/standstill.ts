import { open, openSync, rmSync } from 'node:fs';

/*
 * The ways in which an event loop stands still, for fail points alone. Each lasts until the process is killed. The
 * functions have names, so that a test can look for them in the stack that the hang guard found.
 */

export const STANDSTILLS = {
  spin: spinForEver,
  parse: parseForEver,
  microtasks: () => void chainMicrotasksForEver(),
  fifo: waitForWriter,
  pool: exhaustFilePool,
} as const;
export type Standstill = keyof typeof STANDSTILLS;

/** Takes `file` away and stands still; where there is no such file it does nothing, so the next worker goes on. */
export function standStill(how: Standstill, file: string): void {
  if (how !== 'fifo' && how !== 'pool') rmSync(file);
  STANDSTILLS[how](file);
}

function spinForEver(): void {
  for (;;);
}

/** One call that takes ten seconds: V8 hashes such long keys by their length alone, so each is held against all. */
function parseForEver(): void {
  const padding = 'x'.repeat(33_000);
  const fields = Array.from({ length: 2_000 }, (_, n) => `"${padding}${10_000 + n}":1`);
  for (;;) JSON.parse(`{${fields.join()}}`);
}

async function chainMicrotasksForEver(): Promise<void> {
  for (;;) await null;
}

/** `file` is a FIFO that nobody writes to: open(2) does not come back. */
function waitForWriter(file: string): void {
  openSync(file, 'r');
}

/** Each thread of the pool waits for a writer of that FIFO; the loop itself goes on turning. */
function exhaustFilePool(file: string): void {
  for (let threads = 0; threads < 8; threads += 1) open(file, 'r', () => undefined);
}
