import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CATALOGUE } from '../../src/commands/catalogue.js';
import { tempFolder } from '../support/temp-folder.js';
import { bench } from './in-process.js';

const has = (shell: string) => spawnSync(shell, ['--version']).error === undefined;
for (const shell of ['zsh', 'fish']) if (!has(shell)) console.warn(`NOT TESTED in ${shell}: it is not here`);

async function scriptFor(shell: string): Promise<string> {
  const [{ script }] = await bench().json('completion', shell);
  return script;
}

/** What bash itself would offer for this line. */
function offered(script: string, ...words: string[]): string[] {
  const line = ['dogged', ...words].map((word) => `'${word}'`).join(' ');
  const ask = `${script}\nCOMP_WORDS=(${line}) COMP_CWORD=${words.length}\n_dogged\nprintf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', ask], { encoding: 'utf8' });
  expect(stderr).toBe('');
  return stdout.split('\n').filter((word) => word !== '');
}

test('bash offers every command, and of each its own flags and the common ones', async () => {
  const script = await scriptFor('bash');
  const names = CATALOGUE.flatMap(({ commands }) => commands.map(({ name }) => name));
  expect(offered(script, '')).toEqual([...names, '--help', '--version']);
  expect(offered(script, 'sta')).toEqual(['start', 'status']);
  expect(offered(script, 'prune', '--')).toEqual(['--older-than', '--config', '--json', '--help']);
  expect(offered(script, 'append', 'some-f')).toEqual([]);
});

test.skipIf(!has('zsh'))('zsh reads its lines without complaint', async () => {
  const file = join(tempFolder(), 'script');
  writeFileSync(file, await scriptFor('zsh'));
  expect(spawnSync('zsh', ['-n', file], { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
});

test.skipIf(!has('fish'))('fish reads its lines without complaint', async () => {
  const file = join(tempFolder(), 'script');
  writeFileSync(file, await scriptFor('fish'));
  expect(spawnSync('fish', ['-n', file], { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
});

test('another shell is wrong usage', async () => {
  expect((await bench().run('completion', 'powershell')).code).toBe(64);
});
