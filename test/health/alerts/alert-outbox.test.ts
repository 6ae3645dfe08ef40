import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { AlertConfig } from '../../../src/config/config.js';
import type { AlertEvent } from '../../../src/health/alerts/alert.js';
import type { AlertRecord } from '../../../src/health/alerts/alert-book.js';
import { AlertOutbox } from '../../../src/health/alerts/alert-outbox.js';
import { deliver } from '../../../src/health/alerts/deliver.js';
import { FakeClock } from '../../support/fake-clock.js';
import { tempFolder } from '../../support/temp-folder.js';
import { until } from '../../support/until.js';

/** An outbox over a real program, which keeps each alert and ends as its script says. */
function stand(script = '', more: { on?: AlertConfig['on']; before?: AlertRecord; clock?: FakeClock } = {}) {
  const folder = tempFolder();
  const clock = more.clock ?? new FakeClock();
  const logged: string[] = [];
  let begun = 0;
  const say = (message: string, details?: object) =>
    void logged.push(`${message} ${JSON.stringify(details)}`);
  const outbox = new AlertOutbox({
    alert: {
      on: more.on ?? ['stuck', 'recovered', 'dead-letter'],
      via: { kind: 'exec', argv: ['sh', '-c', `cat >> got; ${script}`, 'hush'] },
    },
    place: { host: 'pi', configFile: '/srv/dogged.config.yaml' },
    folder,
    clock,
    log: { info: say, warn: say, error: say },
    deliver: (...args) => {
      begun += 1;
      return deliver(...args);
    },
    onChange: () => undefined,
    before: more.before ?? null,
  });
  onTestFinished(() => outbox.close(0));
  const got = () => {
    try {
      const lines = readFileSync(join(folder, 'got'), 'utf8').trim().split('\n');
      return lines.map((line) => JSON.parse(line));
    } catch {
      return [];
    }
  };
  return {
    outbox,
    clock,
    got,
    logged,
    begun: () => begun,
    isIdle: () => outbox.record().waiting.length === 0,
  };
}

function event(kind: AlertEvent['kind'], what: string, atMs = 0, count = 1): AlertEvent {
  return { kind, phase: null, subject: null, count, what, atMs };
}

test('of one kind there is one alert a minute; what is held back is told by the last of it, with the number', async () => {
  const { outbox, clock, got, isIdle } = stand();
  outbox.put(event('stuck', 'one', clock.wallMs()));
  await until(isIdle);
  for (const what of ['two', 'three', 'four']) outbox.put(event('stuck', what, clock.wallMs()));
  outbox.put(event('recovered', 'well', clock.wallMs()));
  await until(() => got().length === 2);
  expect(got().map(({ alert, text }) => [alert, text])).toEqual([
    ['stuck', 'dogged on pi: one'],
    ['recovered', 'dogged on pi: well'],
  ]);
  await until(() => outbox.record().waiting.length === 1);
  await clock.advance(59_900);
  expect(got()).toHaveLength(2);
  await clock.advance(200);
  await until(() => got().length === 3);
  expect(got()[2]).toMatchObject({ unsent: 2, text: expect.stringContaining('four') });
  expect(got()[2].text).toContain('2 earlier alerts of this kind not sent');
  await until(isIdle);
});

test('one of a kind a minute holds over a restart of the monitor, whatever the wall clock does meanwhile', async () => {
  const first = stand();
  first.outbox.put(event('stuck', 'one', first.clock.wallMs()));
  await until(first.isIdle);
  await first.outbox.close(0);
  const before = first.outbox.record();
  for (const setByMs of [0, -3_600_000]) {
    const clock = new FakeClock(first.clock.wallMs() + 20_000 + setByMs);
    const next = stand('', { before, clock });
    next.outbox.put(event('stuck', 'two', clock.wallMs()));
    next.outbox.put(event('recovered', 'well', clock.wallMs()));
    await until(() => next.got().length === 1);
    expect(next.got()[0].alert).toBe('recovered');
    await until(() => next.outbox.record().waiting.length === 1);
    const leftMs = setByMs === 0 ? 40_000 : 60_000;
    await clock.advance(leftMs - 100);
    expect(next.begun()).toBe(1);
    await clock.advance(200);
    await until(() => next.got().length === 2);
  }
});

test('jobs that fail while their alert is held back are added up, and none of them counts as unsent', async () => {
  const { outbox, clock, got, isIdle } = stand();
  outbox.put(event('dead-letter', 'job 1 (build, a): exit 1', clock.wallMs()));
  await until(isIdle);
  for (let n = 2; n <= 4; n += 1)
    outbox.put(event('dead-letter', `job ${n} (build, b): exit 1`, clock.wallMs(), 2));
  await clock.advance(60_000);
  await until(() => got().length === 2);
  expect(got()[1]).toMatchObject({ count: 6, unsent: 0 });
  expect(got()[1].text).toContain('6 jobs failed for good');
});

test('it holds one of each kind, however much happens', async () => {
  const { outbox, isIdle, got } = stand('sleep 0.2');
  for (let n = 0; n < 10_000; n += 1) outbox.put(event(n % 2 === 0 ? 'stuck' : 'recovered', String(n)));
  // Of the first kind one is in hand, and one waits.
  expect(outbox.record().waiting).toHaveLength(3);
  await until(() => got().length === 2);
  expect(isIdle()).toBe(false);
});

test('what it was not asked for it does not tell', async () => {
  const { outbox, got, isIdle } = stand('', { on: ['gave-up'] });
  outbox.put(event('stuck', 'one'));
  outbox.put(event('gave-up', 'two'));
  await until(() => got().length === 1 && isIdle());
  expect(got()[0].alert).toBe('gave-up');
});

test('a failure is tried again twice, with pauses, and then said; the next one tells of it', async () => {
  const { outbox, clock, got, begun, logged, isIdle } = stand('[ $(wc -l < got) -ge 4 ] || exit 9');
  outbox.put(event('stuck', 'one', clock.wallMs()));
  for (const [tries, pauseMs] of [
    [1, 2_000],
    [2, 8_000],
  ] as const) {
    await until(() => got().length === tries);
    // Not before the pause is over.
    await clock.advance(pauseMs - 100);
    expect(got()).toHaveLength(tries);
    // No further than to the next try: from its end on the next pause counts.
    await until(async () => {
      if (begun() === tries) await clock.advance(100);
      return got().length > tries;
    });
  }
  await until(isIdle);
  expect(logged.join('\n')).toMatch(
    /alert "stuck" could not be sent \(exec sh\), tried 3 times: exit 9 .*dogged on pi: one/,
  );
  expect(logged.join('\n')).not.toContain('hush');
  expect(outbox.record()).toMatchObject({ lastSentAtMs: null, lastFailure: 'exit 9' });
  await clock.advance(60_000);
  outbox.put(event('stuck', 'two', clock.wallMs()));
  await until(isIdle);
  expect(got()).toHaveLength(4);
  expect(got()[3]).toMatchObject({ unsent: 1 });
  expect(outbox.record().lastSentAtMs).toBe(clock.wallMs());
});

test('a close waits for what is under way, and begins nothing more', async () => {
  const { outbox, got, begun } = stand('sleep 0.3');
  outbox.put(event('stuck', 'one'));
  outbox.put(event('recovered', 'two'));
  await until(() => got().length === 1);
  await outbox.close(2_000);
  expect(begun()).toBe(1);
  expect(outbox.record().waiting).toMatchObject([{ event: { kind: 'recovered' } }]);
});

test('a close waits for what is under way no longer than it may, and the next outbox goes on with all of it', async () => {
  const first = stand('sleep 60');
  first.outbox.put(event('stuck', 'one', first.clock.wallMs()));
  first.outbox.put(event('recovered', 'two', first.clock.wallMs()));
  await until(() => first.got().length === 1);
  let closed = false;
  const closing = first.outbox.close(2_000).then(() => {
    closed = true;
  });
  await first.clock.advance(1_900);
  expect(closed).toBe(false);
  await first.clock.advance(200);
  await closing;
  expect(first.got()).toHaveLength(1);

  const second = stand('', { before: first.outbox.record() });
  await until(second.isIdle);
  expect(second.got().map(({ alert }) => alert)).toEqual(['stuck', 'recovered']);
});
