import { expect, test } from 'vitest';
import { DoggedError } from '../../src/job/errors.js';

test('an error says lengths of time as people do, and other numbers as they are', () => {
  const timedOut = new DoggedError('TIMED_OUT', { what: 'The end', waitedMs: 90_000, detail: '' });
  expect(timedOut.message).toContain('did not come about within 1m 30s');
  const stopFailed = new DoggedError('STOP_FAILED', { role: 'worker', pid: 12_345, waitedMs: 250 });
  expect(stopFailed.message).toBe('The worker with PID 12345 is still there after 250 ms.');
});
