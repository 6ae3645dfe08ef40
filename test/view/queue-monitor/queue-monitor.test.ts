import { PassThrough } from 'node:stream';
import { render } from 'ink';
import { createElement } from 'react';
import { expect, test, vi } from 'vitest';
import { systemClock } from '../../../src/platform/clock.js';
import type { JobDetails } from '../../../src/store/read-contract.js';
import { painter } from '../../../src/view/colour.js';
import type { LookRequest, QueueLook, QueueMonitorPort } from '../../../src/view/queue-monitor/port.js';
import { QueueMonitor } from '../../../src/view/queue-monitor/queue-monitor.js';
import { remedyFor } from '../../../src/view/remedy.js';
import { until } from '../../support/until.js';
import { aJob, crowdedLook } from './crowded.js';

// Ink reads them while it is loaded, and where one is set it draws nothing before the end. `dogged queue` does the same.
vi.hoisted(() => Object.assign(process.env, { CI: 'false', CONTINUOUS_INTEGRATION: 'false' }));

test('a job that is opened is not called gone before it was looked for, and is once it was', async () => {
  const job: JobDetails = { ...aJob(7), history: [] };
  let isThere = true;
  let letGo: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const look = async ({ open }: LookRequest): Promise<QueueLook> => {
    if (open !== null) await gate;
    const page = { jobs: [job], hasNewer: false, hasOlder: false };
    return { ...crowdedLook(), page, open: open !== null && isThere ? job : null };
  };
  const port: QueueMonitorPort = {
    look,
    changed: () => false,
    act: async () => ({ text: '', isBad: false }),
  };
  const stdout = Object.assign(new PassThrough(), { columns: 80, rows: 60, isTTY: true });
  const stdin = Object.assign(new PassThrough(), {
    isTTY: true,
    setRawMode: () => stdin,
    ref: () => stdin,
    unref: () => stdin,
  });
  let shown = '';
  stdout.on('data', (chunk: Buffer) => {
    shown += chunk.toString();
  });
  const style = { paint: painter(false), remedy: remedyFor(undefined) };
  const streams = { stdout: stdout as never, stdin: stdin as never };
  const screen = render(createElement(QueueMonitor, { port, clock: systemClock, style }), {
    ...streams,
    patchConsole: false,
  });
  await until(() => shown.includes('#7'));
  shown = '';
  stdin.write('\r');
  await until(() => shown.includes('Esc'));
  letGo();
  await until(() => shown.includes('SHA-256'));
  expect(shown).not.toContain('cannot be read just now');
  isThere = false;
  await until(() => shown.includes('cannot be read just now'));
  screen.unmount();
});
