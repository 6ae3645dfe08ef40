import { expect, test } from 'vitest';
import type { Log } from '../../src/platform/log.js';
import { createRedisWatch } from '../../src/upkeep/redis-watch.js';

/** What a watch says in the log. */
function watched() {
  const said: string[] = [];
  const say =
    (level: string) =>
    (facts: object, text: string): void => {
      said.push(`${level} ${text} ${JSON.stringify(facts)}`);
    };
  const log = { warn: say('warn'), error: say('error') } as unknown as Log;
  return { watch: createRedisWatch(), log, said };
}

test('an absence is said once at its beginning and once at its end, however its reason changes', () => {
  const { watch, log, said } = watched();
  expect(watch.absences()).toBeNull();
  watch.moveTo('redis://127.0.0.1:6379/0');
  watch.events.onRemote('not reached yet');
  watch.sayIn(log);
  watch.events.onRemote('ECONNREFUSED');
  watch.events.onRemote('no answer within 2 s');
  expect(watch.problem()).toBe('no answer within 2 s');
  watch.events.onRemote(null);
  expect(watch.problem()).toBeNull();
  expect(watch.absences()).toBe(1);
  watch.events.onRemote(null);
  expect(said.map((line) => line.split(' {')[0])).toEqual([
    'warn Redis takes no jobs: not reached yet; they wait here',
    'warn Redis takes jobs again',
  ]);
});

test('trouble that lasts is said once, and never with the command that met it', () => {
  const { watch, log, said } = watched();
  watch.sayIn(log);
  const trouble = Object.assign(new Error('NOPERM'), { command: { name: 'hset', args: ['a payload'] } });
  for (let n = 0; n < 100; n += 1) watch.events.onRemoteError(trouble);
  expect(said).toHaveLength(1);
  expect(said[0]).toContain('NOPERM');
  expect(said[0]).not.toContain('a payload');
});
