import { describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/platform/clock.js';
import { redisAddress } from '../../../src/store/bullmq/address.js';
import { Books } from '../../../src/store/bullmq/books.js';
import { Mail } from '../../../src/store/bullmq/mail.js';
import { Outbox } from '../../../src/store/bullmq/outbox.js';
import { Queues } from '../../../src/store/bullmq/queues.js';
import { RedisLink } from '../../../src/store/bullmq/redis-link.js';
import { openSqliteStore } from '../../../src/store/sqlite/open.js';
import { hasRedis, NO_REDIS, startRedis } from '../../support/redis-server.js';
import { until } from '../../support/until.js';
import { keysOf, machine } from './machine.js';

describe.skipIf(!hasRedis())(`the mail of a machine${hasRedis() ? '' : ` (skipped: ${NO_REDIS})`}`, () => {
  it('is read before a job that Redis has no more is taken for lost: it may have ended', async () => {
    const server = await startRedis();
    onTestFinished(() => server.stop());
    const home = await machine(server.url, { site: 'home' });
    await home.admit(keysOf(3));
    await until(async () => {
      await home.turn();
      return (await home.store.counts()).outbox?.waiting === 0;
    });
    await home.close();
    const away = await machine(server.url, { site: 'away' });
    await away.work(() => away.runs.length === 3);

    const sqlite = await openSqliteStore(home.folder, 'worker', systemClock);
    onTestFinished(() => sqlite.close());
    Outbox.watch(sqlite.database);
    const { books, outbox, origin } = await sqlite.look((core, verbs) => ({
      books: new Books(core, verbs),
      outbox: new Outbox(core),
      origin: core.db.prepare<[], string>('SELECT store_id FROM meta').pluck().get() ?? '',
    }));
    const quiet = { onBack: () => undefined, onProblem: () => undefined, onWarning: () => undefined };
    const address = redisAddress(server.url, {});
    const link = new RedisLink({ address, clock: systemClock, ...quiet });
    onTestFinished(() => link.close());
    await link.settled();
    const mail = new Mail({
      sqlite,
      books: () => books,
      outbox: () => outbox,
      link,
      queues: new Queues(link, 1_000, 2),
      origin,
      self: () => `${origin}/99`,
      hasUnwritten: () => false,
      clock: systemClock,
    });
    expect(await mail.reconcile(['sent'], (page) => page())).toBe(0);
    expect((await sqlite.counts()).total).toMatchObject({ completed: 3, ready: 0, running: 0 });
  });
});
