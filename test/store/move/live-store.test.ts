import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/platform/clock.js';
import type { Store } from '../../../src/store/engine.js';
import { LiveStore } from '../../../src/store/live-store.js';
import { openStore } from '../../../src/store/open.js';
import { openSqliteStore } from '../../../src/store/sqlite/open.js';
import { StoreBeside } from '../../../src/store/store-beside.js';
import { admit, ownedStore, T0, turn } from '../../conformance/given.js';
import { tempFolder } from '../../support/temp-folder.js';

/** The same store, whose turns wait until they are let go. */
function slow(
  store: Store,
  onEnd: () => void,
): {
  readonly engine: Store;
  readonly began: Promise<void>;
  readonly letGo: () => void;
} {
  let letGo = () => {};
  const gate = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  let begin = () => {};
  const began = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const engine = new Proxy(store, {
    get(target, name) {
      if (name !== 'turn') return Reflect.get(target, name).bind?.(target) ?? Reflect.get(target, name);
      return async (...args: Parameters<Store['turn']>) => {
        begin();
        await gate;
        const result = await target.turn(...args);
        onEnd();
        return result;
      };
    },
  });
  return { engine, began, letGo };
}

test('an engine is exchanged when no call is under way, and those that come meanwhile go to the next', async () => {
  const folder = tempFolder();
  const sqlite = await openSqliteStore(folder, 'worker', systemClock);
  onTestFinished(() => sqlite.close());
  const owned = await ownedStore({ open: async () => sqlite });
  const seen: string[] = [];
  const { engine, began, letGo } = slow(owned, () => void seen.push('turn of the old one'));
  const live = new LiveStore(sqlite, engine);
  await admit(live, [{ key: 'a' }, { key: 'b' }]);
  const first = turn(live, { freeSlots: 1 });
  await began;
  const exchanged = live
    .exchange(async (before) => {
      expect(before).toBe(engine);
      seen.push('exchange');
      return sqlite;
    })
    .then(() => seen.push('exchanged'));
  const second = turn(live, { freeSlots: 1 }).then(({ claims }) =>
    seen.push(`turn of the new one: ${claims[0]?.key}`),
  );
  // Reads wait for nobody.
  expect((await live.counts()).total.ready).toBe(2);
  expect(seen).toEqual([]);
  letGo();
  await Promise.all([first, exchanged, second]);
  expect(seen.slice(0, 2)).toEqual(['turn of the old one', 'exchange']);
  expect(seen).toContain('turn of the new one: b');
  expect(live.engine).toBe(sqlite);
});

test('an exchange that fails leaves the engine as it was, and lets everybody go on', async () => {
  const sqlite = await openSqliteStore(tempFolder(), 'worker', systemClock);
  onTestFinished(() => sqlite.close());
  const live = new LiveStore(sqlite, sqlite);
  await expect(live.exchange(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
  await ownedStore({ open: async () => live });
  await admit(live, [{ key: 'a' }]);
  expect((await turn(live)).claims).toHaveLength(1);
});

test.each([
  ['to Redis', "INSERT INTO remote (one, site, address) VALUES (1, 'here', 'redis://pi:6379/0')", 1],
  ['home', 'DELETE FROM remote', 0],
])(
  'a command never writes past a move %s that came between its look and its write',
  async (_, move, inOutbox) => {
    const folder = tempFolder();
    const worker = await openSqliteStore(folder, 'worker', systemClock);
    onTestFinished(() => worker.close());
    if (inOutbox === 0) {
      worker.database.exec("INSERT INTO remote (one, site, address) VALUES (1, 'here', 'redis://pi:6379/0')");
    }
    const command = await openStore(folder, 'command', systemClock);
    onTestFinished(() => command.close());
    if (!(command instanceof StoreBeside)) throw new Error('not beside a worker');
    const { sqlite } = command;
    const look = sqlite.look.bind(sqlite);
    let isToMove = false;
    sqlite.look = async (work) => {
      const answer = await look(work);
      if (isToMove) worker.database.exec(move);
      isToMove = false;
      return answer;
    };
    isToMove = true;
    const [added] = await admit(command, [{ key: 'a', runAtMs: T0 }]);
    expect(added?.result).toBe('queued');
    const sent = worker.database.prepare('SELECT count(*) FROM outbox').pluck().get();
    expect(sent).toBe(inOutbox);
  },
);
