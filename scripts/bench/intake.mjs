#!/usr/bin/env node
/*
 * What intake costs: finding and parsing records, one append to a log, a first admission, a plan that is written anew, large logs, quiet folders.
 *
 *   node scripts/bench/intake.mjs [scan] [append] [admission] [plan] [large] [folder] [--large] [--json]
 *
 * Without names it runs all of them; --large adds what takes minutes: logs of 10 GB, and the folder beside chokidar, which
 * is installed into a temporary folder. Everything is written under the system's temporary folder and removed at the end.
 * Times are CPU time, medians of five runs and more; ratios may be compared, absolute figures belong to one machine.
 * Needs dist/ (bash scripts/build.sh).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import Database from 'better-sqlite3';
import { benchAdmission } from './intake/admission.mjs';
import { benchAppend } from './intake/append.mjs';
import { benchFolder } from './intake/folder.mjs';
import { benchLarge } from './intake/large.mjs';
import { benchPlan } from './intake/plan.mjs';
import { createReport } from './intake/report.mjs';
import { benchScan } from './intake/scan.mjs';

const BENCHES = {
  scan: benchScan,
  append: benchAppend,
  admission: benchAdmission,
  plan: benchPlan,
  large: benchLarge,
  folder: benchFolder,
};

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { large: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
});
for (const name of positionals) {
  if (!(name in BENCHES))
    throw new Error(`there is no ${name}: choose of ${Object.keys(BENCHES).join(', ')}`);
}

const folder = mkdtempSync(join(tmpdir(), 'dogged-bench-'));
// An interrupt must not leave 20 GB behind.
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

const report = createReport({
  node: process.version,
  sqlite: new Database(':memory:').prepare('SELECT sqlite_version()').pluck().get(),
  cores: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`,
  loadBefore: loadavg()[0],
});
for (const [name, bench] of Object.entries(BENCHES)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  await bench({ folder, isLarge: options.large, report });
}
report.finish({ loadAfter: loadavg()[0] }, options.json);
