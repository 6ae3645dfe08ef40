/** As many machines as there are workers: each a built worker with a state folder, a site and a log of its own. */
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { PLACES } from '../../../dist/job/job.js';
import { systemClock as clock } from '../../../dist/platform/clock.js';
import { openStore } from '../../../dist/store/open.js';
import { payloadText } from '../queue/dogged-store.mjs';
import { cpuOf, HANDLER, paced, readBegun, spent, until, withFleet } from './fleet.mjs';

const CLI = fileURLToPath(new URL('../../../dist/cli.js', import.meta.url));
/** As the health monitor starts a worker. */
const WORKER_FLAGS = ['--max-semi-space-size=2', '--v8-pool-size=1'];
const QUEUE = 'dogged:default.nothing';

export function runDogged(options) {
  return withFleet(options, async (fleet) => {
    const machines = Array.from({ length: options.workers }, (_, index) => machine(index, options, fleet));
    try {
      await Promise.all(machines.map((one) => one.open()));
      return await (options.isPaced ? latency : throughput)(machines, options, fleet);
    } finally {
      for (const one of machines) await one.close();
    }
  });
}

async function throughput(machines, { jobs, workers, isAlone }, { client }) {
  for (const one of machines) await one.store.setPaused('default', null, true);
  for (let n = 0; n < jobs; n += 1) machines[n % workers].note(n);
  for (const one of machines) one.append();
  const children = machines.map((one) => one.start());
  await until(() => sumOf(machines, 'ready') === jobs, children, 100);
  if (!isAlone) {
    await until(async () => (await client.zcard(`${QUEUE}:prioritized`)) === jobs, children, 100);
    await until(() => machines.every((one) => one.isSent()), children, 100);
  }

  const before = await cpuOf(children, client);
  await Promise.all(machines.map((one) => one.store.setPaused('default', null, false)));
  await until(() => sumOf(machines, 'completed') === jobs, children);
  const endedAtMs = Date.now();
  const cpu = spent(before, await cpuOf(children, client));
  const beganAtMs = Math.min(...machines.map((one) => one.firstBegunMs()));
  const seconds = (endedAtMs - beganAtMs) / 1_000;
  return { jobs, seconds, rate: jobs / seconds, cpu };
}

async function latency(machines, options, { folder }) {
  const children = machines.map((one) => one.start());
  // One of each machine, so that every child runs.
  for (const [index, one] of machines.entries()) {
    one.note(-1 - index);
    one.append();
  }
  await until(() => sumOf(machines, 'completed') === machines.length, children, 100);
  const total = await paced(options, (from, count) => {
    for (let n = from; n < from + count; n += 1) machines[n % machines.length].note(n);
    for (const one of machines) one.append();
  });
  await until(() => sumOf(machines, 'completed') === total + machines.length, children, 100);
  const files = machines.map((_, index) => join(folder, `begun-${index}`));
  const begun = await until(() => complete(readBegun(files), total + machines.length), children, 100);
  const waitsMs = machines.flatMap((one) =>
    one.readyTimes().map(({ n, readyAtMs }) => begun.get(n) - readyAtMs),
  );
  return { waitsMs };
}

function complete(begun, count) {
  return begun.size >= count ? begun : null;
}

function machine(index, { slots, isAlone }, { folder, redis, start }) {
  const home = join(folder, `machine-${index}`);
  const log = join(home, 'ideas.ndjson');
  const state = join(home, 'state');
  mkdirSync(home);
  writeFileSync(join(home, 'nothing.mjs'), HANDLER);
  writeFileSync(log, '');
  const env = { BEGUN: join(folder, `begun-${index}`) };
  writeFileSync(env.BEGUN, '');
  const config = {
    store: isAlone ? 'sqlite' : `redis://127.0.0.1:${redis.port}/0`,
    site: `machine-${index}`,
    slots,
    poll: '50ms',
    sources: { ideas: { log: './ideas.ndjson', key: 'n', task: 'nothing' } },
    tasks: { nothing: { module: './nothing.mjs', pipeline: slots, env } },
  };
  writeFileSync(join(home, 'dogged.config.json'), JSON.stringify(config));
  let lines = [];
  let db = null;
  const one = {
    store: null,
    async open() {
      one.store = await openStore(state, 'command', clock);
      db = new Database(join(state, 'dogged.db'), { readonly: true });
    },
    async close() {
      db?.close();
      await one.store?.close();
    },
    start: () => start([...WORKER_FLAGS, CLI, 'worker'], { cwd: home }),
    note: (n) => lines.push(`${payloadText(n)}\n`),
    append() {
      if (lines.length > 0) appendFileSync(log, lines.join(''));
      lines = [];
    },
    count: (place) =>
      db.prepare('SELECT total(amount) FROM counts WHERE kind = 0 AND place = ?').pluck().get(PLACES[place]),
    /** Redis has said of all that it holds them. */
    isSent: () => db.prepare('SELECT count(*) FROM outbox WHERE state < 2').pluck().get() === 0,
    firstBegunMs: () =>
      db.prepare('SELECT min(started_at) FROM jobs').pluck().get() ?? Number.POSITIVE_INFINITY,
    readyTimes: () =>
      db
        .prepare(
          'SELECT CAST(key AS INTEGER) AS n, run_at AS readyAtMs FROM jobs WHERE CAST(key AS INTEGER) >= 0',
        )
        .all(),
  };
  return one;
}

function sumOf(machines, place) {
  return machines.reduce((all, one) => all + one.count(place), 0);
}
