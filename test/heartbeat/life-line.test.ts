import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { createLifeLine, watchLifeLine } from '../../src/heartbeat/life-line.js';
import { until } from '../support/until.js';

test('the end of the process is told at once, by the kernel and not by the process', async () => {
  const nonce = randomUUID();
  // A process that holds the same socket, and is killed so that none of its own code can run.
  const holder = spawn(process.execPath, [
    '-e',
    `require('node:net').createServer((s) => s.resume()).listen('\\0dogged-life-${nonce}', () => console.log('open'))`,
  ]);
  onTestFinished(() => void holder.kill('SIGKILL'));
  await once(holder.stdout, 'data');
  let lost = 0;
  const line = watchLifeLine(nonce, () => {
    lost += 1;
  });
  onTestFinished(() => line.close());
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(lost).toBe(0);
  const killedAt = performance.now();
  holder.kill('SIGKILL');
  await until(() => lost === 1, { everyMs: 1 });
  expect(performance.now() - killedAt).toBeLessThan(500);
});

test('a life line that nobody holds is lost at once', async () => {
  let lost = 0;
  watchLifeLine(randomUUID(), () => {
    lost += 1;
  });
  await until(() => lost === 1);
});

test('who has closed the watch hears nothing more', async () => {
  const nonce = randomUUID();
  const told: string[] = [];
  // Nobody holds this name: both would be told of the loss.
  watchLifeLine(nonce, () => told.push('closed')).close();
  watchLifeLine(nonce, () => told.push('open'));
  await until(() => told.length > 0);
  expect(told).toEqual(['open']);
});

test('a second holder of the same name is refused, and says so with null', async () => {
  const nonce = randomUUID();
  const first = await createLifeLine(nonce);
  onTestFinished(() => first?.close());
  expect(first).not.toBeNull();
  expect(await createLifeLine(nonce)).toBeNull();
});
