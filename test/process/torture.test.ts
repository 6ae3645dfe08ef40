import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { builtCli } from '../support/built-program.js';

const script = fileURLToPath(new URL('../../scripts/torture/kill-worker.mjs', import.meta.url));

test('a worker that is killed again and again loses no record and ends none twice', () => {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [script, '--cli', builtCli(), '--records', '600', '--kills', '4', '--minutes', '1.5', '--json'],
    { encoding: 'utf8', timeout: 120_000 },
  );
  expect(stderr).toBe('');
  const figures = JSON.parse(stdout);
  console.log(figures);
  expect(figures).toMatchObject({
    records: 600,
    completed: 600,
    failed: 0,
    lost: 0,
    invented: 0,
    doubled: 0,
    endedTwice: 0,
    kills: 4,
  });
  expect(status).toBe(0);
}, 130_000);
