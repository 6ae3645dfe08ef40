import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { builtCli } from '../support/built-program.js';
import { workplace } from '../support/dogged.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';

const CONFIG = `
sources: { ideas: { log: ./ideas.ndjson, key: title, task: build } }
tasks: { build: { run: [sh, -c, 'cat >> done.ndjson'] } }
`;
const OPERATING = new URL('../../docs/operating.md', import.meta.url);

function withConfig(environment: NodeJS.ProcessEnv = {}) {
  const folder = tempFolder();
  writeFileSync(join(folder, 'dogged.config.yaml'), CONFIG);
  writeFileSync(join(folder, 'ideas.ndjson'), '{"title":"a"}\n');
  const place = workplace(folder, environment);
  const done = () => {
    const path = join(folder, 'done.ndjson');
    return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1).sort() : [];
  };
  const add = (title: string) => appendFileSync(join(folder, 'ideas.ndjson'), `{"title":"${title}"}\n`);
  const regular = () => {
    const backups = join(folder, 'state', 'backups');
    return existsSync(backups) ? readdirSync(backups).filter((name) => name.endsWith('Z.db')) : [];
  };
  return { folder, place, done, add, regular };
}

/** The commands under a heading of the page, as a user would type them. */
function documented(heading: string): string {
  const page = readFileSync(OPERATING, 'utf8');
  const block = new RegExp(`${heading}\n[^]*?\`\`\`sh\n([^]*?)\`\`\``).exec(page)?.[1];
  if (block === undefined) throw new Error(`docs/operating.md has no commands under ${heading}`);
  return block;
}

test('the worker makes backups by itself, keeps as many as it is told to, and the diagnosis tells their age', async () => {
  const { place, regular } = withConfig({ DOGGED__BACKUPS__EVERY: '1s', DOGGED__BACKUPS__KEEP: '2' });
  place.run('start');
  await until(() => regular().length === 2);
  const [oldest = ''] = regular();
  await until(() => regular().length <= 2 && !regular().includes(oldest));
  const [{ checks }] = place.json('health', '--diagnose');
  expect(checks.find(({ name }: { name: string }) => name === 'backups')).toMatchObject({
    status: 'ok',
    text: expect.stringMatching(/^newest .+ old \(\d+ KB\), [12] kept$/),
  });
});

test('a backup by hand works while the worker runs and while it does not, and overwrites nothing', async () => {
  const { folder, place, done } = withConfig();
  place.run('start');
  await until(() => done().length === 1);
  expect(place.run('backup', 'one.db')).toMatchObject({ status: 0 });
  expect(place.run('backup', 'one.db')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('nothing is overwritten'),
  });
  place.run('stop');
  expect(place.json('backup', 'two.db')).toEqual([
    { file: join(folder, 'two.db'), sizeBytes: expect.any(Number), at: expect.any(String) },
  ]);
});

test('a backup is put back as the page says: what came since is read from the files, and nothing is open', async () => {
  const { folder, place, done, add, regular } = withConfig({ DOGGED__BACKUPS__EVERY: '1s' });
  place.run('start');
  await until(() => done().length === 1 && regular().length >= 2);
  place.run('stop');
  const before = regular();
  const quiet = workplace(folder, { DOGGED__BACKUPS__KEEP: '0' });
  quiet.run('start');
  add('b');
  await until(() => done().length === 2);
  expect(regular()).toEqual(before);
  add('c');
  await until(() => done().length === 3);

  const typed = `dogged() { '${process.execPath}' '${builtCli()}' "$@"; }\nset -e\n${documented('### Putting a backup back')}`;
  const env = { ...process.env, NO_COLOR: '1', DOGGED__POLL: '100ms', DOGGED__HEARTBEAT: '1s' };
  execFileSync('bash', ['-c', typed.replace('dogged audit', 'dogged drain && dogged audit')], {
    cwd: folder,
    env,
  });
  expect(readdirSync(join(folder, 'state', 'before'))).toContain('dogged.db');
  // Done before the copy was made: not again. Done after it: once more.
  expect(done()).toEqual(['a', 'b', 'b', 'c', 'c'].map((title) => `{"title":"${title}"}`));
});
