import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { tempFolder } from '../support/temp-folder.js';

const script = fileURLToPath(new URL('../../scripts/check-layers.mjs', import.meta.url));

function check(sources: Record<string, string>): string {
  const root = tempFolder();
  for (const [name, text] of Object.entries(sources)) {
    mkdirSync(dirname(join(root, 'src', name)), { recursive: true });
    writeFileSync(join(root, 'src', name), text);
  }
  const { stderr, status } = spawnSync(process.execPath, [script, root], { encoding: 'utf8' });
  expect(status).toBe(stderr === '' ? 0 : 1);
  return stderr;
}

test('the checkout itself keeps its layers', () => {
  const { stderr, status } = spawnSync(process.execPath, [script], { encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(status).toBe(0);
});

test.each([
  [
    'intake never imports dispatch',
    'intake/a.ts',
    "import { b } from '../dispatch/b.js';",
    'intake may import',
  ],
  [
    'health never imports the store',
    'health/a.ts',
    "import { b } from '../store/contract.js';",
    'health may import',
  ],
  [
    'a lazy import is an import too',
    'dispatch/a.ts',
    "await import('../intake/b.js');",
    'dispatch may import',
  ],
  ['only the engine knows SQLite', 'view/a.ts', "import D from 'better-sqlite3';", 'only the SQLite engine'],
  ['only the clock reads the clock', 'job/a.ts', 'const t = Date.now();', 'the clock is injected'],
  ['no error is dropped', 'job/a.ts', 'try { f(); } catch { /* never mind */ }', 'no error is dropped'],
  ['a file has a name that says something', 'job/utils.ts', '', 'a name that says nothing'],
  [
    'a folder without a place in the layers is refused',
    'elsewhere/a.ts',
    "import '../job/job.js';",
    'no place in the layers',
  ],
  ['a long file wants to be two', 'job/a.ts', 'x;\n'.repeat(400), 'wants to be two'],
  ['a barrel is refused', 'job/a.ts', "export * from './b.js';", 'barrel'],
])('%s', (_, name, text, breach) => {
  expect(check({ [name]: text })).toContain(breach);
});

test('an import circle is found', () => {
  const breaches = check({
    'job/a.ts': "import { b } from './b.js';",
    'job/b.ts': "import { a } from './a.js';",
  });
  expect(breaches).toContain('circle: ');
});

test('words in comments breach nothing', () => {
  expect(check({ 'job/a.ts': "// Date.now() is banned\n/* import D from 'better-sqlite3'; */\n" })).toBe('');
});
