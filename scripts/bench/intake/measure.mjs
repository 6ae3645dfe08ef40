// How the intake benchmarks measure: CPU time, since wall time measures the neighbours on a busy machine.
export const RUNS = 5;

export const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
export const round = (number) =>
  Math.abs(number) < 10 ? Math.round(number * 100) / 100 : Math.round(number);

export function cpuMs(since) {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
}

export function timed(action) {
  const before = process.cpuUsage();
  const start = performance.now();
  const value = action();
  return { cpuMs: cpuMs(before), wallMs: performance.now() - start, value };
}

export const medianCpuMs = (action, runs = RUNS) =>
  median(Array.from({ length: runs }, () => timed(action).cpuMs));

/** Longest time between two turns of the event loop. It spins, so it is for busy stretches only. */
export function holdMeter() {
  let last = performance.now();
  let longestMs = 0;
  let running = true;
  (function turn() {
    const now = performance.now();
    longestMs = Math.max(longestMs, now - last);
    last = now;
    if (running) setImmediate(turn);
  })();
  return {
    stop() {
      running = false;
      return longestMs;
    },
  };
}

/** How late a timer of 10 ms comes, at worst: for a process that is to rest between its polls. Costs about 0.1 % of a core. */
export function lagMeter() {
  const EVERY_MS = 10;
  let worstMs = 0;
  let dueMs = performance.now() + EVERY_MS;
  const timer = setInterval(() => {
    const now = performance.now();
    worstMs = Math.max(worstMs, now - dueMs);
    dueMs = now + EVERY_MS;
  }, EVERY_MS);
  return {
    stop() {
      clearInterval(timer);
      return worstMs;
    },
  };
}

/** What a process holds now, as /proc says, in MB. */
export const rssMb = () => process.memoryUsage.rss() / 1e6;
