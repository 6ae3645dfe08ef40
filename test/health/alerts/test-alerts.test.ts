import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { expect, test } from 'vitest';
import { workplace } from '../../support/dogged.js';
import { tempFolder } from '../../support/temp-folder.js';
import { alertServer } from './alert-server.js';

const page = readFileSync(new URL('../../../docs/operating.md', import.meta.url), 'utf8');
const [, section = ''] = /^## Alerts\n([\s\S]*?)^## /m.exec(page) ?? [];
const [, recipe = ''] = /```yaml\n([\s\S]*?)```/.exec(section) ?? [];

test('the recipes of the docs work as they stand: a mail, and a post to a chat', async () => {
  const folder = tempFolder();
  const server = await alertServer();
  writeFileSync(
    join(folder, 'dogged.config.yaml'),
    recipe.replace('https://chat.example.com', `http://127.0.0.1:${server.port}`),
  );
  writeFileSync(join(folder, 'sendmail'), '#!/bin/sh\necho "$1" > mail\ncat >> mail\n');
  chmodSync(join(folder, 'sendmail'), 0o755);
  const place = workplace(folder, { PATH: `${folder}${delimiter}${process.env['PATH']}` });
  // The server answers in this process, which must not be blocked meanwhile.
  const { status, stdout } = await place.runAside('health', '--test-alerts');
  expect(stdout).toBe(`✅ exec sh: delivered\n✅ webhook http://127.0.0.1:${server.port}: delivered\n`);
  expect(status).toBe(0);
  expect(readFileSync(join(folder, 'mail'), 'utf8')).toMatch(
    /^-t\nTo: me@example\.com\nSubject: dogged: test\n\ndogged on .+: a test: alerts arrive\n$/,
  );
  expect(server.posted[0]).toMatchObject({
    path: '/hooks/a1b2c3',
    body: { alert: 'test', text: expect.stringContaining('alerts arrive') },
  });
  expect(existsSync(join(folder, 'state'))).toBe(false);
});

test('an alert that cannot be delivered is said with the reason and without secrets, and the exit code is 1', async () => {
  const folder = tempFolder();
  const config = `alerts:
  - { on: [stuck], exec: [sh, -c, "echo no route; exit 4", hush] }
  - { webhook: "http://ann:hush@127.0.0.1:1/hush?hush" }
`;
  writeFileSync(join(folder, 'dogged.config.yaml'), config);
  const { status, stdout, stderr } = workplace(folder).run('health', '--test-alerts');
  expect(stdout.split('\n')).toEqual([
    '❌ exec sh: exit 4: no route',
    '❌ webhook http://127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1',
    '',
  ]);
  expect(status).toBe(1);
  expect(stdout + stderr).not.toContain('hush');
  expect(workplace(folder).run('check').stdout).toContain(
    'alert   webhook http://127.0.0.1:1: told of stuck, recovered, gave-up, outage, dead-letter, disk',
  );
});

test('the fields that the docs show are those that are sent', () => {
  const [, example = ''] = /```json\n([\s\S]*?)```/.exec(section) ?? [];
  expect(Object.keys(JSON.parse(example)).sort()).toEqual(
    ['alert', 'at', 'config', 'count', 'host', 'phase', 'subject', 'text', 'unsent'].sort(),
  );
});
