import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { TaskConfig } from '../../src/config/config.js';
import type { JobState } from '../../src/job/job.js';
import type { OutcomeKind } from '../../src/job/outcome.js';
import { readProcessStat } from '../../src/platform/process-identity.js';
import { until } from '../support/until.js';
import { commandTask, createRig, fixtureTask, type Rig, storePart } from './rig.js';

async function runOne(task: TaskConfig, payload: unknown, state: JobState) {
  const rig = await createRig({ tasks: [task] });
  rig.dispatcher.start();
  const id = await rig.add(task.name, payload);
  const job = await rig.until(id, state);
  return { rig, id, job, attempts: await rig.attempts(id) };
}

describe('what a command is given', () => {
  test('its payload as one compact line on stdin, with a newline at the end', async () => {
    const { rig } = await runOne(
      commandTask('save', ['sh', '-c', 'cat > got.json']),
      { title: 'héllo', n: 1 },
      'completed',
    );
    expect(rig.read('got.json')).toBe('{"title":"héllo","n":1}\n');
  });

  test('an environment of a short allow list, its own variables and the job, and the config folder as cwd', async () => {
    process.env['SECRET_OF_THE_WORKER'] = 'x';
    const task = fixtureTask('show-environment', [], { env: { OWN: 'yes' } });
    const { rig, id, attempts } = await runOne(task, {}, 'completed');
    const lines = (attempts[0]?.stdout ?? '').split('\n');
    expect(lines).toContain(`DOGGED_JOB_ID=${id}`);
    expect(lines).toContain('DOGGED_TASK=show-environment');
    expect(lines).toContain('DOGGED_SOURCE=');
    expect(lines).toContain('DOGGED_ATTEMPT=1');
    expect(lines).toContain('DOGGED_WORKSPACE=default');
    expect(lines).toContain(`DOGGED_STATE_DIR=${rig.stateFolder}`);
    expect(lines).toContain('OWN=yes');
    expect(lines.some((line) => /^DOGGED_KEY=[0-9a-f-]{36}$/.test(line))).toBe(true);
    expect(lines.some((line) => line.startsWith('SECRET_OF_THE_WORKER'))).toBe(false);
    expect(lines).toContain(rig.folder);
  });

  test('arguments filled from the payload, one each, whatever they hold', async () => {
    const task = fixtureTask('show-environment', ['--', '{{file}}', 'n={{n}}']);
    const { attempts } = await runOne(task, { file: '-a b; touch x $(id)', n: 3 }, 'completed');
    expect(attempts[0]?.stdout).toContain('argument: --\nargument: -a b; touch x $(id)\nargument: n=3\n');
  });

  test('no process at all when an argument cannot be filled safely: a dead letter at once', async () => {
    const { job, attempts } = await runOne(fixtureTask('ends', ['{{code}}']), { code: '-1' }, 'failed');
    expect(job.reason).toContain('could pass for an option');
    expect(attempts).toHaveLength(1);
  });
});

describe('what its exit means', () => {
  const cases: [string, readonly string[], JobState, OutcomeKind, number | null][] = [
    ['0 is done', ['0'], 'completed', 'done', 0],
    ['1 is a failed attempt', ['1'], 'failed', 'failed', 1],
    ['64 is never again', ['64'], 'failed', 'refused', 64],
    ['65 is never again', ['65'], 'failed', 'refused', 65],
    ['78 is never again', ['78'], 'failed', 'refused', 78],
  ];
  test.each(cases)('exit %s', async (_name, args, state, outcome, exitCode) => {
    const task = fixtureTask('ends', args, { retry: { attempts: 1, backoff: { minMs: 1, maxMs: 1 } } });
    const { attempts } = await runOne(task, {}, state);
    expect(attempts).toMatchObject([{ outcome, exitCode }]);
  });

  const waiting: [string, readonly string[], OutcomeKind][] = [
    ['75 asks for another try', ['x', '75'], 'deferred'],
    ['69 says that a dependency is away', ['x', '69'], 'unavailable'],
    ['126 says that the program cannot be executed', ['x', '126'], 'unavailable'],
    ['127 says that a program is missing', ['x', '127'], 'unavailable'],
  ];
  test.each(waiting)('exit %s, and costs no attempt', async (_name, [, code = ''], outcome) => {
    const task = fixtureTask('ends', [code], {
      retry: { attempts: 1, backoff: { minMs: 60_000, maxMs: 60_000 } },
    });
    const rig = await createRig({ tasks: [task] });
    rig.dispatcher.start();
    const id = await rig.add('ends');
    const attempts = await until(async () => {
      const all = await rig.attempts(id);
      return all[0]?.outcome ? all : null;
    });
    expect(attempts).toMatchObject([{ outcome }]);
    expect(await rig.job(id)).toMatchObject({ place: 'scheduled', attempts: 1, charged: 0 });
  });

  test.each([
    ['does not exist', ['/nonexistent/program']],
    ['is not executable', ['./not-executable']],
  ])('a program that %s is unavailable, with a reason that names it', async (_name, argv) => {
    const task = commandTask('lost', argv, {
      retry: { attempts: 1, backoff: { minMs: 60_000, maxMs: 60_000 } },
    });
    const rig = await createRig({ tasks: [task] });
    rig.write('not-executable', '#!/bin/sh\n', 0o644);
    rig.dispatcher.start();
    const id = await rig.add('lost');
    const attempts = await until(async () => {
      const all = await rig.attempts(id);
      return all[0]?.outcome ? all : null;
    });
    expect(attempts[0]).toMatchObject({ outcome: 'unavailable', exitCode: null });
    expect(attempts[0]?.reason).toContain(argv[0]);
    expect((await rig.job(id)).charged).toBe(0);
  });

  test('death by a signal of its own is a failed attempt that names it', async () => {
    const task = commandTask('suicide', ['sh', '-c', 'kill -SEGV $$'], {
      retry: { attempts: 1, backoff: { minMs: 1, maxMs: 1 } },
    });
    const { job, attempts } = await runOne(task, {}, 'failed');
    expect(attempts).toMatchObject([{ outcome: 'failed', exitCode: null, signal: 'SIGSEGV' }]);
    expect(job.reason).toBe('killed by SIGSEGV');
  });

  test('the reason of a failure quotes the last line of stderr', async () => {
    const task = fixtureTask('ends', ['3', '', 'no such planet'], {
      retry: { attempts: 1, backoff: { minMs: 1, maxMs: 1 } },
    });
    const { job } = await runOne(task, {}, 'failed');
    expect(job.reason).toBe('exit 3: no such planet');
  });
});

describe('what it writes', () => {
  test('the last line of stdout is the result when it is JSON', async () => {
    const { job } = await runOne(fixtureTask('ends', ['0', '{"n": 1.0}']), {}, 'completed');
    expect(job.result).toBe('{"n": 1.0}');
  });

  test('another last line is no result', async () => {
    const { job, attempts } = await runOne(fixtureTask('ends', ['0', 'all well']), {}, 'completed');
    expect(job.result).toBeNull();
    expect(attempts[0]?.stdout).toBe('all well\n');
  });

  test('a flood is kept by its beginning and its end, and the result is still found', async () => {
    const task = fixtureTask('flood.mjs', ['50000000'], { outputBytes: 4_096 });
    const { job, attempts } = await runOne(task, {}, 'completed');
    const stdout = attempts[0]?.stdout ?? '';
    expect(stdout.length).toBeLessThan(4_200);
    expect(stdout).toMatch(/^the first line\n/);
    expect(stdout).toMatch(/… \d+ bytes left out …/);
    expect(job.result).toBe('{"the":"last line"}');
  });

  test('a big payload that nobody reads does no harm', async () => {
    const { attempts } = await runOne(fixtureTask('ends', ['0']), { text: 'x'.repeat(500_000) }, 'completed');
    expect(attempts).toMatchObject([{ outcome: 'done', exitCode: 0 }]);
  });

  test('progress lines are seen while it runs', async () => {
    const script = 'echo "::progress 40 almost half"; touch told; sleep 60';
    const rig = await createRig({ tasks: [commandTask('slow', ['sh', '-c', script])] });
    rig.dispatcher.start();
    await rig.add('slow');
    await until(() => rig.dispatcher.status().slots[0]?.progress === 0.4);
    expect(rig.dispatcher.status().slots[0]).toMatchObject({
      state: 'working',
      task: 'slow',
      timeoutMs: 10_000,
    });
  });
});

describe('a time-out', () => {
  test('is told politely first, then by force, and costs an attempt', async () => {
    const task = fixtureTask('graceful', [], {
      timeoutMs: 300,
      killGraceMs: 5_000,
      retry: { attempts: 1, backoff: { minMs: 1, maxMs: 1 } },
    });
    const { job, attempts } = await runOne(task, {}, 'failed');
    // It exits with 0 when told to end, which does not make its work done.
    expect(attempts).toMatchObject([{ outcome: 'timed-out', exitCode: 0, stdout: 'told to end\n' }]);
    expect(job).toMatchObject({ charged: 1, reason: 'longer than its time-out of 0.3 s' });
  });

  test('of the job goes before that of its task', async () => {
    const task = fixtureTask('graceful', [], { retry: { attempts: 1, backoff: { minMs: 1, maxMs: 1 } } });
    const rig = await createRig({ tasks: [task] });
    rig.dispatcher.start();
    const id = await rig.add('graceful', {}, { timeoutMs: 100 });
    expect((await rig.until(id, 'failed')).reason).toContain('0.1 s');
  });

  test('leaves no descendant: not one that ignores SIGTERM, nor one that left group, session and pipes', async () => {
    const task = fixtureTask('family', ['wait'], {
      timeoutMs: 1_000,
      killGraceMs: 50,
      retry: { attempts: 1, backoff: { minMs: 1, maxMs: 1 } },
    });
    const { rig, attempts } = await runOne(task, {}, 'failed');
    expect(attempts).toMatchObject([{ outcome: 'timed-out', signal: 'SIGKILL' }]);
    expect(aliveOf(familyOf(rig))).toEqual([]);
  });
});

describe('an end of its own', () => {
  test('leaves no descendant behind before a failed attempt is recorded', async () => {
    const task = fixtureTask('family', ['1'], { retry: { attempts: 1, backoff: { minMs: 1, maxMs: 1 } } });
    const { rig } = await runOne(task, {}, 'failed');
    expect(aliveOf(familyOf(rig))).toEqual([]);
  });

  test('leaves no descendant behind after a success', async () => {
    const { rig } = await runOne(fixtureTask('family', ['0']), {}, 'completed');
    expect(aliveOf(familyOf(rig))).toEqual([]);
  });

  test('that leaves only a daemon, out of its group and its pipes, is swept soon after', async () => {
    const daemon = 'setsid sh -c "echo \\$\\$ > stray; sleep 60" < /dev/null > /dev/null 2>&1 &';
    const script = `(${daemon}); while ! [ -s stray ]; do sleep 0.01; done`;
    const { rig } = await runOne(commandTask('host', ['sh', '-c', script]), {}, 'completed');
    const pid = Number(rig.read('stray'));
    await until(() => aliveOf([pid]).length === 0, { withinMs: 5_000 });
    await until(() => rig.logged().includes('that ended jobs had left behind'));
  });

  test('is not held up by a stranger that keeps its pipes open', async () => {
    // It gave up environment, group and session, so no sweep can find it; the job must end all the same.
    const script =
      '(env -i setsid sh -c "echo \\$\\$ > stranger; sleep 20" &); while ! [ -s stranger ]; do sleep 0.01; done; exit 0';
    const task = commandTask('host', ['sh', '-c', script]);
    const openBefore = openPipes();
    const started = performance.now();
    const { rig } = await runOne(task, {}, 'completed');
    expect(performance.now() - started).toBeLessThan(10_000);
    await until(() => openPipes() === openBefore);
    process.kill(Number(rig.read('stranger')), 'SIGKILL');
  });
});

test('a payload that no longer matches its hash is not run', async () => {
  const rig = await createRig({
    tasks: [commandTask('save', ['sh', '-c', 'cat > got.json'])],
    wrapStore: (store) => ({
      ...storePart(store),
      turn: async (turn) => {
        const result = await store.turn(turn);
        for (const { payload } of result.claims) payload.bytes[0] = 0x20;
        return result;
      },
    }),
  });
  rig.dispatcher.start();
  const id = await rig.add('save', { a: 1 });
  expect((await rig.until(id, 'failed')).reason).toBe('integrity');
  expect(() => rig.read('got.json')).toThrow('ENOENT');
});

function familyOf(rig: Rig): number[] {
  const pids = readFileSync(join(rig.stateFolder, 'family'), 'utf8').trim().split('\n').map(Number);
  expect(pids).toHaveLength(3);
  return pids;
}

/** Node gives a child sockets for pipes. */
function openPipes(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:');
    } catch {
      // Closed since it was listed: the one that lists them always is.
      return false;
    }
  }).length;
}

function aliveOf(pids: readonly number[]): number[] {
  return pids.filter((pid) => {
    const stat = readProcessStat(pid);
    return stat !== null && stat.state !== 'Z';
  });
}
