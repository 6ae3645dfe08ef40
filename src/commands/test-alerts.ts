import { hostname } from 'node:os';
import type { AlertConfig } from '../config/config.js';
import { labelOf, messageOf } from '../health/alerts/alert.js';
import { deliver } from '../health/alerts/deliver.js';
import { EXIT } from '../job/errors.js';
import type { Clock } from '../platform/clock.js';
import { escapeText } from '../view/escape.js';
import type { Output } from './command.js';

/** Sends one to each alert of the config as it is written now, once, and says what came of it; changes nothing else. */
export async function testAlerts(configFile: string, output: Output, clock: Clock): Promise<number> {
  const { loadConfig } = await import('../config/load.js');
  const { alerts, folder, file } = await loadConfig(configFile);
  if (alerts.length === 0) output.print(`${file} has no alerts`);
  let failed = 0;
  for (const alert of alerts) {
    const label = labelOf(alert);
    const why = await sendTest(alert, { folder, file }, clock);
    if (why !== null) failed += 1;
    output.json({ alert: label, delivered: why === null, why });
    output.print(escapeText(why === null ? `✅ ${label}: delivered` : `❌ ${label}: ${why}`));
  }
  return failed === 0 ? EXIT.ok : EXIT.failed;
}

async function sendTest(
  { via }: AlertConfig,
  { folder, file }: { readonly folder: string; readonly file: string },
  clock: Clock,
): Promise<string | null> {
  const nowMs = clock.wallMs();
  const what = 'a test: alerts arrive';
  const event = { kind: 'test', phase: null, subject: null, count: 1, what, atMs: nowMs } as const;
  const message = messageOf(event, 0, { host: hostname(), configFile: file }, nowMs);
  const { signal } = new AbortController();
  const delivery = await deliver(via, message, { folder, clock, signal });
  return delivery.delivered ? null : delivery.why;
}
