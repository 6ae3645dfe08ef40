import type { Settings } from '../heartbeat/settings.js';
import { durationText, plural } from '../platform/duration-text.js';
import { readAlertBook } from './alerts/alert-book.js';
import { type Check, type CheckResult, result } from './check.js';

/** A program may have said more. */
const LONGEST_TEXT = 200;

/** Whether alerts arrive, as the monitor wrote it down. */
export function alertsCheck({ alerts = [] }: Settings, stateFolder: string, nowMs: number): Check {
  const say = (status: CheckResult['status'], text: string, remedy: string | null = null) => [
    result('alerts', 'Alerts', status, text, remedy),
  ];
  return {
    name: 'alerts',
    run() {
      if (alerts.length === 0) return say('not-applicable', 'none are configured');
      const file = readAlertBook(stateFolder);
      if (file.status === 'invalid')
        return say('warning', `what was sent cannot be read: ${file.why}`, 'dogged logs --monitor');
      const records = file.status === 'read' ? file.content.records : [];
      const ago = (atMs: number) => `${durationText(nowMs - atMs)} ago`;
      const failing = records.flatMap(({ label, lastSentAtMs, lastFailedAtMs, lastFailure }) =>
        lastFailedAtMs !== null && lastFailedAtMs > (lastSentAtMs ?? 0)
          ? `${label} failed ${ago(lastFailedAtMs)}: ${lastFailure?.slice(0, LONGEST_TEXT)}`
          : [],
      );
      if (failing.length > 0) return say('warning', failing.join('; '), 'dogged health --test-alerts');
      const sentAtMs = Math.max(0, ...records.map(({ lastSentAtMs }) => lastSentAtMs ?? 0));
      const waiting = records.reduce((sum, record) => sum + record.waiting.length, 0);
      const parts = [
        `${alerts.length} configured`,
        sentAtMs === 0 ? 'none sent yet' : `last sent ${ago(sentAtMs)}`,
        ...(waiting === 0 ? [] : [`${plural(waiting, 'alert')} to be sent`]),
      ];
      return say('ok', parts.join(', '));
    },
  };
}
