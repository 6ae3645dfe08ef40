// How the intake benchmarks measure: CPU time, since wall time measures the neighbours on a busy machine.
import { openSync, readSync } from 'node:fs';

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

/**
 * How long this thread has waited for a core so far, in ms: on a busy machine that is the neighbours' time, and no time for
 * which we held the loop. Waiting for the disk is ours, and stays in.
 */
const schedstat = openSync('/proc/thread-self/schedstat', 'r');
const line = Buffer.alloc(128);
function waitedForCoreMs() {
  const length = readSync(schedstat, line, 0, line.length, 0);
  return Number(line.toString('latin1', 0, length).split(' ')[1]) / 1e6;
}

/** Longest time between two turns of the event loop. It spins, so it is for busy stretches only. */
export function holdMeter() {
  let last = performance.now();
  let lastWaited = waitedForCoreMs();
  let longestMs = 0;
  let longestWallMs = 0;
  let running = true;
  (function turn() {
    const now = performance.now();
    const waited = waitedForCoreMs();
    longestMs = Math.max(longestMs, now - last - (waited - lastWaited));
    longestWallMs = Math.max(longestWallMs, now - last);
    last = now;
    lastWaited = waited;
    if (running) setImmediate(turn);
  })();
  return {
    stop() {
      running = false;
      return { holdMs: longestMs, holdWallMs: longestWallMs };
    },
  };
}

/** How late a timer of 10 ms comes, at worst: for a process that is to rest between its polls. Costs 0.5 % of a core. */
export function lagMeter() {
  const EVERY_MS = 10;
  let lagMs = 0;
  let lagWallMs = 0;
  let dueMs = performance.now() + EVERY_MS;
  let lastWaited = waitedForCoreMs();
  const timer = setInterval(() => {
    const now = performance.now();
    const waited = waitedForCoreMs();
    lagMs = Math.max(lagMs, now - dueMs - (waited - lastWaited));
    lagWallMs = Math.max(lagWallMs, now - dueMs);
    dueMs = now + EVERY_MS;
    lastWaited = waited;
  }, EVERY_MS);
  return {
    stop() {
      clearInterval(timer);
      return { lagMs, lagWallMs };
    },
  };
}

/** What a process holds now, as /proc says, in MB. */
export const rssMb = () => process.memoryUsage.rss() / 1e6;
