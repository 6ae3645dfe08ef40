#!/usr/bin/env node
/*
 * How long `dogged status` takes beside the start of Node itself (`node -e 0`), the two in turn, so that whatever else the
 * machine does meets both alike. Printed: the medians and their ratio. The promise is at most 1.5.
 *
 *   node scripts/bench/status.mjs [--rounds 25] [--jobs 1000] [--json]
 *
 * Needs dist/ (npm run build).
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { systemClock } from '../../dist/platform/clock.js';
import { openStore } from '../../dist/store/open.js';
import { admitMany } from './queue/dogged-store.mjs';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '25' },
    jobs: { type: 'string', default: '1000' },
    json: { type: 'boolean', default: false },
  },
});
const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

const folder = mkdtempSync(join(tmpdir(), 'dogged-bench-'));
try {
  await fill(folder, Number(options.jobs));
  const node = [];
  const status = [];
  for (let round = 0; round < Number(options.rounds); round += 1) {
    node.push(timeOf(['-e', '0'], 0));
    status.push(timeOf([cli, 'status'], 3));
  }
  const result = {
    nodeMs: median(node),
    statusMs: median(status),
    ratio: Math.round((median(status) / median(node)) * 100) / 100,
  };
  if (options.json) console.log(JSON.stringify(result));
  else
    console.log(
      `node -e 0: ${result.nodeMs} ms · dogged status: ${result.statusMs} ms · ratio ${result.ratio} (promised: at most 1.5)`,
    );
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function fill(folder, jobs) {
  writeFileSync(join(folder, 'dogged.config.yaml'), 'sources: {}\n');
  const store = await openStore(join(folder, 'state'), 'command', systemClock);
  await admitMany(store, jobs, noGroup, (n) => (n % 2 === 0 ? 'implement' : 'rework'));
  await store.close();
}

function noGroup() {
  return null;
}

/** Nobody runs there, so `status` must say 3: a status that failed early would be quick, too. */
function timeOf(args, expectedCode) {
  const startedAtMs = systemClock.monotonicMs();
  const { status } = spawnSync(process.execPath, args, { cwd: folder, stdio: 'ignore' });
  if (status !== expectedCode) throw new Error(`node ${args.join(' ')} exited with ${status}`);
  return systemClock.monotonicMs() - startedAtMs;
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round(sorted[sorted.length >> 1] * 10) / 10;
}
