import type { Clock } from '../platform/clock.js';
import type { MonitorLog } from './monitor-log.js';

export type Health = 'healthy' | 'degraded' | 'unhealthy';

const REPEAT_EVERY_MS = 60 * 60_000;

const SAY: Readonly<Record<Health, (text: string) => [level: keyof MonitorLog, message: string]>> = {
  healthy: (text) => ['info', `✅ SYSTEM HEALTHY - ${text}`],
  degraded: (text) => ['warn', `⚠️ SYSTEM DEGRADED - ${text}`],
  unhealthy: (text) => ['error', `❌ SYSTEM UNHEALTHY - ${text}`],
};

/** Writes the state of health to the monitor's log at each change, and once an hour while it stays the same. */
export function createHealthLine(log: MonitorLog, clock: Clock): (health: Health, text: string) => void {
  let last: Health | null = null;
  let lastAtMs = 0;
  return (health, text) => {
    const nowMs = clock.monotonicMs();
    if (health === last && nowMs - lastAtMs < REPEAT_EVERY_MS) return;
    last = health;
    lastAtMs = nowMs;
    const [level, message] = SAY[health](text);
    log[level](message);
  };
}
