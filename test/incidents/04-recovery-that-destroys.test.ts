import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { builtCli } from '../support/built-program.js';
import { type Workplace, workplace } from '../support/dogged.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';

/*
 * A monitor found a file that a program was just writing, took the half of it for damage, and "repaired" it by writing []
 * over it. Here: what becomes of the files. What becomes of processes: 04-recovery-that-kills.
 */

const ugly = fileURLToPath(new URL('../fixtures/records/ugly', import.meta.url));
const HALF = '[\n  {"title": "One"},\n  {"title": "Two"},\n  {"title": "Thr';
const WHOLE = `${HALF}ee"}\n]\n`;

/** What a repair would change: content, identity, times, and what stands beside it. */
function traceOf(folder: string) {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
    .sort()
    .map((name) => {
      const { ino, mtimeNs, mode } = statSync(join(folder, name), { bigint: true });
      return { name, ino, mtimeNs, mode, content: readFileSync(join(folder, name)).toString('latin1') };
    });
}

function startWorker(place: Workplace): void {
  const worker = spawn(process.execPath, [builtCli(), 'worker'], {
    cwd: place.folder,
    env: { ...process.env, DOGGED__POLL: '50ms' },
    stdio: 'ignore',
  });
  onTestFinished(async () => {
    worker.kill('SIGTERM');
    await until(() => worker.exitCode !== null || worker.signalCode !== null);
  });
}

describe('the old logic, in small', () => {
  test('takes a file that is being written for a damaged one, and empties it', () => {
    const file = join(tempFolder(), 'ideas_log.json');
    const repair = () => {
      try {
        JSON.parse(readFileSync(file, 'utf8'));
      } catch {
        writeFileSync(file, '[]');
      }
    };
    writeFileSync(file, HALF);
    repair();
    expect(readFileSync(file, 'utf8')).not.toContain('Two');
  });
});

describe('now', () => {
  test('a half-written file is reported and left alone, and is read when its writer has finished', async () => {
    const place = workplace(tempFolder());
    const file = join(place.folder, 'data', 'ideas_log.json');
    mkdirSync(join(place.folder, 'data'));
    writeFileSync(
      join(place.folder, 'dogged.config.yaml'),
      `sources: { ideas: { log: data/ideas_log.json, key: title, task: go, quarantineAfter: 300ms } }
tasks: { go: { run: ["true"] } }`,
    );
    writeFileSync(file, HALF);
    const before = traceOf(join(place.folder, 'data'));
    startWorker(place);
    const reject = await until(() => place.json('rejects')[0]);
    expect(reject).toMatchObject({ source: 'ideas', path: file });
    expect(traceOf(join(place.folder, 'data'))).toEqual(before);

    writeFileSync(file, WHOLE);
    await until(() => place.json('jobs').filter((job) => job.state === 'completed').length === 3);
    expect(readFileSync(file, 'utf8')).toBe(WHOLE);
  });

  test('no file is altered, renamed or removed, whatever stands in it', async () => {
    const place = workplace(tempFolder());
    const data = join(place.folder, 'data');
    cpSync(ugly, data, { recursive: true });
    const sources = readdirSync(data).map((name) => {
      const source = name.replace('.', '-');
      return `  ${source}: { log: "data/${name}", key: title, task: go, quarantineAfter: 200ms }`;
    });
    sources.push('  folder: { directory: data, match: "*", key: title, task: go, quarantineAfter: 200ms }');
    writeFileSync(
      join(place.folder, 'dogged.config.yaml'),
      `sources:\n${sources.join('\n')}\ntasks: { go: { run: ["true"] } }`,
    );
    expect(place.run('check').status).toBe(0);
    const before = traceOf(data);
    startWorker(place);
    // Some are fine, some are refused: both have been seen when both are reported.
    await until(() => place.json('rejects').length > 20 && place.json('jobs').length > 20, {
      withinMs: 20_000,
    });
    expect(traceOf(data)).toEqual(before);
    expect(place.run('drain', '--timeout', '15s').status).toBe(0);
    expect(traceOf(data)).toEqual(before);
  }, 60_000);

  test('no command of ours writes over what it does not understand', () => {
    const place = workplace(tempFolder());
    writeFileSync(join(place.folder, 'ideas_log.json'), HALF);
    const before = traceOf(place.folder);
    expect(place.run('append', 'ideas_log.json', '{"title":"Four"}').status).toBe(1);
    expect(traceOf(place.folder)).toEqual(before);
    expect(place.run('init').status).toBe(0);
    expect(traceOf(place.folder)).toEqual(expect.arrayContaining(before));
  });
});
