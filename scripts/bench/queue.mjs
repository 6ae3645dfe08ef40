#!/usr/bin/env node
/*
 * The queue beside its peers and its floor. What is measured, each by its own part of `queue/`:
 *
 *   jobs      durable enqueue + run + end of jobs that do nothing, beside plainjob, liteque, BullMQ and bare SQLite
 *   enqueue   one by one, each durable before its answer, beside the same rows written by hand
 *   commands  `true`, two at a time, beside execa, node:child_process and xargs; and what they leave behind
 *   claims    a turn with few and with very many jobs pending, in four distributions of groups
 *   ledger    bytes on disk
 *
 *   node scripts/bench/queue.mjs [names] [--jobs 100000] [--rounds 5] [--slots 4,16,64] [--large] [--folder DIR]
 *                                [--peers DIR] [--json]
 *
 * Rounds alternate between the contenders, each in a process of its own; medians are printed, and the ratios of rounds.
 * `--large`: a million pending jobs, 100,000 commands; one round of claims. `--folder`: the disk that is measured.
 * `--peers`: keeps the installed peers there for the next time; else they go into a temporary folder. Absolute figures
 * belong to one machine and one disk, ratios may be compared. Needs dist/ (npm run build).
 */
import { readFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import Database from 'better-sqlite3';
import { measureClaims } from './queue/benches/claims.mjs';
import { measureCommands } from './queue/benches/commands.mjs';
import { measureEnqueue } from './queue/benches/enqueue.mjs';
import { measureJobs } from './queue/benches/jobs.mjs';
import { measureLedger } from './queue/benches/ledger.mjs';
import { installPeers } from './queue/peers.mjs';

const BENCHES = {
  jobs: measureJobs,
  enqueue: measureEnqueue,
  commands: measureCommands,
  claims: measureClaims,
  ledger: measureLedger,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    jobs: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '5' },
    slots: { type: 'string', default: '4,16,64' },
    large: { type: 'boolean', default: false },
    folder: { type: 'string', default: tmpdir() },
    peers: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const names = positionals.length > 0 ? positionals : Object.keys(BENCHES);
const unknown = names.filter((name) => !(name in BENCHES));
if (unknown.length > 0)
  throw new Error(`unknown: ${unknown.join(', ')}; there are ${Object.keys(BENCHES).join(', ')}`);

const say = (text) => console.error(`${new Date().toISOString().slice(11, 19)} ${text}`);
const peers = names.includes('jobs') ? installPeers(values.peers, values.folder, say) : null;
const options = {
  jobs: Number(values.jobs),
  rounds: Number(values.rounds),
  slots: values.slots.split(',').map(Number),
  large: values.large,
  folder: values.folder,
  peers,
  say,
};
const result = { versions: versions(), loadBefore: loadavg(), tables: [] };
try {
  for (const name of names) result.tables.push(...(await BENCHES[name](options)));
} finally {
  peers?.remove();
}
result.loadAfter = loadavg();
if (values.json) console.log(JSON.stringify(result));
else print(result);

function versions() {
  const manifest = (name) =>
    JSON.parse(readFileSync(new URL(`../../node_modules/${name}/package.json`, import.meta.url), 'utf8'))
      .version;
  const db = new Database(':memory:');
  const sqlite = db.prepare('SELECT sqlite_version()').pluck().get();
  db.close();
  const own = ['better-sqlite3', 'execa', 'p-queue'].map((name) => [name, manifest(name)]);
  return { node: process.version, sqlite, ...Object.fromEntries(own), ...peers?.versions };
}

function print({ versions, loadBefore, loadAfter, tables }) {
  console.log(
    Object.entries(versions)
      .map((entry) => entry.join(' '))
      .join(' · '),
  );
  const load = (numbers) => numbers.map((number) => number.toFixed(1)).join(' ');
  console.log(
    `load average before: ${load(loadBefore)}; after: ${load(loadAfter)}; ${options.rounds} rounds`,
  );
  for (const { title, rows } of tables) {
    console.log(`\n${title}`);
    console.table(Object.fromEntries(rows.map(({ what, ...row }) => [what, row])));
  }
}
