import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { builtCli } from '../support/built-program.js';
import { tempFolder } from '../support/temp-folder.js';

/** A queue and its idempotency keys as two things that are written one after the other, as it was. */
class TwoWrites {
  readonly keys = new Set<string>();
  readonly jobs: string[] = [];
  writeFails = false;

  async push(key: string): Promise<void> {
    await nextTurn();
    if (this.writeFails) throw new Error('connection lost');
    this.jobs.push(key);
  }

  async takeKey(key: string): Promise<boolean> {
    await nextTurn();
    if (this.keys.has(key)) return false;
    this.keys.add(key);
    return true;
  }

  async addKeyFirst(key: string): Promise<'queued' | 'duplicate'> {
    if (!(await this.takeKey(key))) return 'duplicate';
    await this.push(key);
    return 'queued';
  }

  /** The mend that was proposed. */
  async addKeyLast(key: string): Promise<'queued'> {
    await this.push(key);
    await this.takeKey(key);
    return 'queued';
  }
}

describe('the old logic', () => {
  test('with the key first: one failed write, and the job is refused for ever', async () => {
    const old = new TwoWrites();
    old.writeFails = true;
    await expect(old.addKeyFirst('order-7')).rejects.toThrow('connection lost');
    old.writeFails = false;
    expect(await old.addKeyFirst('order-7')).toBe('duplicate');
    expect(old.jobs).toEqual([]);
  });

  test('with the key last and its answer ignored: true duplicates run twice', async () => {
    const old = new TwoWrites();
    await Promise.all([old.addKeyLast('order-7'), old.addKeyLast('order-7')]);
    expect(old.jobs).toEqual(['order-7', 'order-7']);
  });
});

describe('dogged add --key', () => {
  interface Ended {
    readonly signal: NodeJS.Signals | null;
    readonly code: number | null;
    readonly stdout: string;
    readonly stderr: string;
  }

  function add(folder: string, ...args: string[]): { readonly ended: Promise<Ended> } {
    return start(folder, {}, 'add', 'build', '--key', 'order-7', '--payload', '{"n":1}', '--json', ...args);
  }

  function start(
    folder: string,
    env: NodeJS.ProcessEnv,
    ...args: string[]
  ): { readonly ended: Promise<Ended> } {
    const child = spawn(process.execPath, [builtCli(), ...args], {
      cwd: folder,
      env: { ...process.env, ...env },
    });
    const written = { stdout: '', stderr: '' };
    child.stdout.on('data', (part) => {
      written.stdout += part;
    });
    child.stderr.on('data', (part) => {
      written.stderr += part;
    });
    const ended = new Promise<Ended>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => resolve({ code, signal, ...written }));
    });
    return { ended };
  }

  function project(): string {
    const folder = tempFolder();
    writeFileSync(join(folder, 'dogged.config.yaml'), 'tasks:\n  build: { run: [node, -e, "0"] }\n');
    return folder;
  }

  const keysOf = async (folder: string) => {
    const { stdout } = await start(folder, {}, 'jobs', '--json').ended;
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line).key);
  };

  test('from ten processes at once makes exactly one job, and tells every caller which', async () => {
    const folder = project();
    const ended = await Promise.all(Array.from({ length: 10 }, () => add(folder).ended));
    expect(ended.map(({ code, stderr }) => [code, stderr])).toEqual(ended.map(() => [0, '']));
    const answers = ended.map(({ stdout }) => JSON.parse(stdout));
    expect(answers.map(({ result }) => result).sort()).toEqual([...Array(9).fill('duplicate'), 'queued']);
    expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
    expect(await keysOf(folder)).toEqual(['order-7']);
  });

  test('that dies in the middle of the write leaves no key behind', async () => {
    const folder = project();
    const killed = await start(
      folder,
      { DOGGED_FAILPOINT: 'admit.before-commit' },
      'add',
      'build',
      '--key',
      'order-7',
    ).ended;
    expect(killed.signal).toBe('SIGKILL');
    const again = await add(folder).ended;
    expect(JSON.parse(again.stdout)).toMatchObject({ result: 'queued' });
    expect(await keysOf(folder)).toEqual(['order-7']);
  });

  test('that dies after the write, before it could answer, is a duplicate when it is said again', async () => {
    const folder = project();
    const killed = await start(
      folder,
      { DOGGED_FAILPOINT: 'admit.after-commit' },
      'add',
      'build',
      '--key',
      'order-7',
    ).ended;
    expect([killed.signal, killed.stdout]).toEqual(['SIGKILL', '']);
    const again = await add(folder).ended;
    expect(JSON.parse(again.stdout)).toMatchObject({ result: 'duplicate', state: 'pending' });
    expect(await keysOf(folder)).toEqual(['order-7']);
  });
});
