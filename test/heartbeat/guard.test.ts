import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type FoundHang, hangFiles, readHang, tellHang, writeHang } from '../../src/heartbeat/hang-file.js';
import { runningProcess } from '../../src/heartbeat/pid-file.js';
import { readBeat } from '../../src/heartbeat/read-beat.js';
import { stateFiles } from '../../src/heartbeat/state-files.js';
import { builtCli } from '../support/built-program.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';
import { aHang } from './a-hang.js';

/* A worker without a monitor: nobody acts upon what its guard writes. */

const CONFIG = `
heartbeat: 200ms
poll: 100ms
health: { fresh: 600ms, stallAfter: 1s }
sources:
  notes: { log: ./notes.ndjson, key: title, task: note }
tasks:
  note: { run: [cat] }
`;

interface LoneWorker {
  readonly process: ChildProcess;
  readonly state: string;
  readonly trigger: string;
  hangs(): readonly FoundHang[];
  append(title: string): void;
  completes(jobs: number): Promise<unknown>;
}

async function loneWorker(
  failpoint: string,
  prepare: (trigger: string) => void = () => undefined,
): Promise<LoneWorker> {
  const folder = tempFolder();
  const state = join(folder, 'state');
  const trigger = join(folder, 'trigger');
  const notes = join(folder, 'notes.ndjson');
  writeFileSync(join(folder, 'dogged.config.yaml'), CONFIG);
  writeFileSync(notes, '');
  prepare(trigger);
  const worker = spawn(process.execPath, [builtCli(), 'worker'], {
    cwd: folder,
    stdio: 'ignore',
    env: { ...process.env, DOGGED_FAILPOINT: `${failpoint}:${trigger}` },
  });
  onTestFinished(() => void worker.kill('SIGKILL'));
  await until(() => existsSync(state) && readBeat(state).status === 'read');
  return {
    process: worker,
    state,
    trigger,
    hangs: () => hangFiles(state).flatMap((name) => readHang(state, name) ?? []),
    append: (title) => writeFileSync(notes, `${JSON.stringify({ title })}\n`, { flag: 'a' }),
    completes: (jobs) =>
      until(() => {
        const beat = readBeat(state);
        return beat.status === 'read' && beat.content.counters.completed === jobs;
      }),
  };
}

/** Waits until a hang is written, and until it is written that it is over. */
async function falseAlarm(worker: LoneWorker, release: () => void, count = 1): Promise<FoundHang> {
  await until(() => worker.hangs().length === count);
  release();
  return until(() => worker.hangs().find(({ overAfterMs }, n) => n === count - 1 && overAfterMs !== null));
}

test('a loop that turns again after a false alarm goes on unharmed, as often as it happens', async () => {
  const worker = await loneWorker('loop.turn:while');
  for (const times of [1, 2]) {
    writeFileSync(worker.trigger, '');
    const hang = await falseAlarm(worker, () => rmSync(worker.trigger), times);
    expect(hang.stack[0]).toMatchObject({ function: 'failpoint' });
    expect(hang.stoodMs).toBeGreaterThanOrEqual(1_000);
    expect(hang.overAfterMs).toBeGreaterThan(hang.stoodMs);
    worker.append(`after ${times}`);
    await worker.completes(times);
  }
  expect(worker.process.exitCode).toBeNull();
});

test('a loop that comes back from a system call, in which no stack could be had, goes on unharmed', async () => {
  const worker = await loneWorker('loop.turn:fifo', (trigger) => execFileSync('mkfifo', [trigger]));
  const hang = await falseAlarm(worker, () => writeFileSync(worker.trigger, ''));
  expect(hang.stack).toEqual([]);
  expect(hang.noStack).toContain('native code');
  expect(hang.thread.syscall).toMatch(/openat$/);
  worker.append('after');
  await worker.completes(1);
  expect(worker.process.exitCode).toBeNull();
});

test('a worker that is told to end takes its guard along, and leaves no hang', async () => {
  const worker = await loneWorker('loop.turn:while');
  worker.process.kill('SIGTERM');
  await until(() => worker.process.exitCode !== null);
  expect(worker.process.exitCode).toBe(0);
  expect(worker.hangs()).toEqual([]);
  expect(runningProcess(stateFiles(worker.state).workerPid)).toBeNull();
});

const HANG = aHang();

test('the last ten hangs are kept', () => {
  const folder = tempFolder();
  const at = (second: number) => `2026-01-01T00:00:${String(second).padStart(2, '0')}.000Z`;
  for (let second = 0; second < 13; second += 1) writeHang(folder, { ...HANG, at: at(second) });
  expect(hangFiles(folder).map((name) => readHang(folder, name)?.at)).toEqual(
    Array.from({ length: 10 }, (_, n) => at(n + 3)),
  );
});

test('a hang is told by its function, else by its system call, and by its last step', () => {
  const frame = { function: 'spin', file: '/a/b/gate.js', line: 12, column: 3 };
  const inGate = { step: 'intake.judge', detail: '/d/ideas.json', offset: 120, lengthBytes: 30 } as const;
  expect(tellHang({ ...HANG, stack: [frame], lastStep: inGate })).toBe(
    'spin (gate.js:12), after intake.judge /d/ideas.json at 120',
  );
  expect(tellHang({ ...HANG, stack: [{ ...frame, function: '' }, frame] })).toBe(
    'spin (gate.js:12), after loop',
  );
  expect(tellHang({ ...HANG, thread: { ...HANG.thread, syscall: '74 fsync' } })).toBe(
    'the system call 74 fsync, after loop',
  );
  expect(tellHang(HANG)).toBe('native code, after loop');
});
