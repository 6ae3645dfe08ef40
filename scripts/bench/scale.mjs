#!/usr/bin/env node
/*
 * Several workers on one Redis, beside plain BullMQ with as many processes. Two parts:
 *
 *   throughput  jobs that do nothing stand in Redis; how many a second are begun and ended, until the last end is known
 *   latency     jobs come in at a steady rate, far below what can be run; from ready to the first line of the handler
 *
 *   node scripts/bench/scale.mjs [parts] [--workers 1,2,4] [--jobs 20000] [--rounds 5] [--slots 64] [--rate 400]
 *                                [--seconds 8] [--folder DIR] [--json]
 *
 * Each run has a Redis of its own on 127.0.0.1: append-only file, `everysec`, `noeviction`. Rounds alternate between the
 * contenders; medians are printed, and the ratios of rounds. dogged runs as it is deployed: one built worker for each machine, with
 * a state folder and a log of its own, and a module task, whose handler is called in a child of the worker. Plain BullMQ calls
 * the same handler in its own process, once by its own loop and once claimed by hand. Needs dist/ (npm run build) and redis-server.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { measureLatency } from './scale/latency.mjs';
import { measureThroughput } from './scale/throughput.mjs';

const PARTS = { throughput: measureThroughput, latency: measureLatency };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    workers: { type: 'string', default: '1,2,4' },
    jobs: { type: 'string', default: '20000' },
    rounds: { type: 'string', default: '5' },
    slots: { type: 'string', default: '64' },
    rate: { type: 'string', default: '400' },
    seconds: { type: 'string', default: '8' },
    folder: { type: 'string', default: tmpdir() },
    json: { type: 'boolean', default: false },
  },
});
const names = positionals.length > 0 ? positionals : Object.keys(PARTS);
const unknown = names.filter((name) => !(name in PARTS));
if (unknown.length > 0)
  throw new Error(`unknown: ${unknown.join(', ')}; there are ${Object.keys(PARTS).join(', ')}`);

const options = {
  workers: values.workers.split(',').map(Number),
  jobs: Number(values.jobs),
  rounds: Number(values.rounds),
  slots: Number(values.slots),
  rate: Number(values.rate),
  seconds: Number(values.seconds),
  folder: values.folder,
  say: (text) => console.error(`${new Date().toISOString().slice(11, 19)} ${text}`),
};
const result = { versions: versions(), cores: cpus().length, loadBefore: loadavg(), tables: [] };
for (const name of names) result.tables.push(...(await PARTS[name](options)));
result.loadAfter = loadavg();
if (values.json) console.log(JSON.stringify(result));
else print(result);

function versions() {
  const manifest = (name) =>
    JSON.parse(readFileSync(new URL(`../../node_modules/${name}/package.json`, import.meta.url), 'utf8'))
      .version;
  const { stdout } = spawnSync('redis-server', ['--version'], { encoding: 'utf8' });
  const own = ['bullmq', 'ioredis', 'better-sqlite3'].map((name) => [name, manifest(name)]);
  return { node: process.version, redis: /v=(\S+)/.exec(stdout ?? '')?.[1], ...Object.fromEntries(own) };
}

function print({ versions, cores, loadBefore, loadAfter, tables }) {
  const load = (numbers) => numbers.map((number) => number.toFixed(1)).join(' ');
  console.log(
    Object.entries(versions)
      .map((entry) => entry.join(' '))
      .join(' · '),
  );
  console.log(
    `${cores} cores; load average before: ${load(loadBefore)}; after: ${load(loadAfter)}; ${options.rounds} rounds, ${options.slots} slots`,
  );
  for (const { title, rows } of tables) {
    console.log(`\n${title}`);
    console.table(Object.fromEntries(rows.map(({ what, ...row }) => [what, row])));
  }
}
