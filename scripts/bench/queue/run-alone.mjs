/** Runs one contender in a process and a folder of its own, and returns its answer. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('./contender.mjs', import.meta.url));

/** As the health monitor starts a worker. */
const WORKER_FLAGS = ['--max-semi-space-size=2', '--v8-pool-size=1'];

export async function runAlone(contender, params, options) {
  const folder = mkdtempSync(join(options.folder, 'dogged-bench-'));
  try {
    const flags = contender.startsWith('dogged-') ? WORKER_FLAGS : [];
    const args = ['--expose-gc', ...flags, PROGRAM, contender, JSON.stringify({ ...params, folder })];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    const code = await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    if (code !== 0) throw new Error(`${contender} exited with ${code}`);
    return JSON.parse(output.trimEnd().split('\n').at(-1));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Each of `works` once a round, in turn: whatever else the machine does meets all alike. Answers by index of `works`. */
export async function alternate(works, rounds, say) {
  const answers = works.map(() => []);
  for (let round = 1; round <= rounds; round += 1) {
    for (const [index, work] of works.entries()) {
      say(`round ${round} of ${rounds}: ${work.name}`);
      answers[index].push(await work.run());
    }
  }
  return answers;
}

export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Median of the ratios of each round, with the least and the greatest: both of one round met the same machine. */
export function ratioOf(ours, theirs) {
  const ratios = ours.map((value, round) => value / theirs[round]);
  return {
    ratio: round2(median(ratios)),
    from: round2(Math.min(...ratios)),
    to: round2(Math.max(...ratios)),
  };
}

export function round2(value) {
  return Math.round(value * 100) / 100;
}
