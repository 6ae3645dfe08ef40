import { setTimeout as sleep, setImmediate as turnOfLoop } from 'node:timers/promises';

/**
 * Waits until `condition` gives something truthy, and returns it. Looks every few milliseconds, so no test sleeps for a
 * guessed time. Throws after `withinMs`, with the last error or `describe()` as the reason.
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  options: { withinMs?: number; everyMs?: number; describe?: () => string } = {},
): Promise<NonNullable<T>> {
  const { withinMs = 10_000, everyMs = 10, describe } = options;
  const end = performance.now() + withinMs;
  let lastError: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value as NonNullable<T>;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    if (performance.now() > end) {
      const why = lastError ? `: ${String(lastError)}` : describe ? `: ${describe()}` : '';
      throw new Error(`not within ${withinMs} ms${why}`, { cause: lastError });
    }
    await sleep(everyMs);
    // Where conditions take longer than that, timers are always due: without a turn, whatever waits for one would starve.
    await turnOfLoop();
  }
}
