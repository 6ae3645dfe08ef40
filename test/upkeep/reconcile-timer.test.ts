import { expect, test } from 'vitest';
import { createLog } from '../../src/platform/log.js';
import { createReconcileTimer, type Reconciles } from '../../src/upkeep/reconcile-timer.js';
import { FakeClock } from '../support/fake-clock.js';

type Answer = Awaited<ReturnType<Reconciles['reconcile']>>;

function stand(answers: (Answer | Error)[]) {
  const clock = new FakeClock();
  const log = createLog('silent');
  const said: string[] = [];
  log.warn = (_: unknown, text?: string) => void said.push(`warn ${text}`);
  log.error = (_: unknown, text?: string) => void said.push(`error ${text}`);
  let asked = 0;
  const intake: Reconciles = {
    async reconcile() {
      asked += 1;
      const answer = answers.shift() ?? [];
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
  const timer = createReconcileTimer({ everyMs: 300_000, intake, clock, log });
  return { clock, timer, said, asked: () => asked };
}

const found = (queued: number): Answer => [{ name: 'ideas', queued, account: { records: 9, openCount: 0 } }];

test('sources are reconciled at the start and then every so often, until it is stopped', async () => {
  const { clock, timer, asked } = stand([]);
  timer.start();
  await clock.advance(1);
  expect(asked()).toBe(1);
  await clock.advance(299_000);
  expect(asked()).toBe(1);
  await clock.advance(2_000);
  expect(asked()).toBe(2);
  timer.stop();
  await clock.advance(900_000);
  expect(asked()).toBe(2);
});

test('what polling missed is said loudly, and what was in order is not', async () => {
  const { clock, timer, said } = stand([found(0), found(2)]);
  timer.start();
  await clock.advance(1);
  expect(said).toEqual([]);
  await clock.advance(300_000);
  expect(said).toEqual(['warn reconcile queued 2 records of ideas that no poll had admitted']);
});

test('a failure is said, and it is tried again the next time', async () => {
  const { clock, timer, said, asked } = stand([new Error('locked'), found(1)]);
  timer.start();
  await clock.advance(1);
  expect(said).toEqual(['error the sources could not be reconciled; it is tried again']);
  await clock.advance(300_000);
  expect(asked()).toBe(2);
  expect(said).toHaveLength(2);
});
