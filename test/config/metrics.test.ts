import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readConfig } from '../../src/config/load.js';
import { tempFolder } from '../support/temp-folder.js';

async function read(metrics: string, environment: Record<string, string> = {}) {
  const folder = tempFolder();
  const file = join(folder, 'dogged.config.yaml');
  writeFileSync(file, `${metrics}tasks: { go: { run: ["true"] } }\n`);
  const { config, problems } = await readConfig(file, environment);
  return {
    folder,
    metrics: config?.metrics,
    problems: problems.map(({ path, message }) => `${path} ${message}`),
  };
}

test.each([
  ['127.0.0.1:9464', { host: '127.0.0.1', port: 9464 }],
  ['"9464"', { host: '127.0.0.1', port: 9464 }],
  ['localhost:80', { host: '127.0.0.1', port: 80 }],
  ['"[::1]:9464"', { host: '::1', port: 9464 }],
  ['0.0.0.0:9464', { host: '0.0.0.0', port: 9464 }],
  ['null', null],
])('metrics listen at %s', async (written, listen) => {
  expect((await read(`metrics: { listen: ${written} }\n`)).metrics).toEqual({ listen, textfile: null });
});

test.each([
  'example.com:9464',
  '127.0.0.1',
  '127.0.0.1:0',
  '127.0.0.1:65536',
  '1.2.3:80',
  '999.0.0.1:80',
  '"::1:9464"',
  'http://127.0.0.1:9464',
  '9464',
])('metrics do not listen at %s, and the message shows how it is written', async (written) => {
  const [problem, ...others] = (await read(`metrics: { listen: ${written} }\n`)).problems;
  expect(problem).toMatch(/^metrics\.listen must be an address and a port, such as 127\.0\.0\.1:9464/);
  expect(others).toEqual([]);
});

test('the file of metrics lies beside the config, and its name ends in .prom, as its reader wants it', async () => {
  const { folder, metrics } = await read('metrics: { textfile: ./out/dogged.prom }\n');
  expect(metrics?.textfile).toBe(join(folder, 'out', 'dogged.prom'));
  for (const name of ['notes.json', '.prom', 'out/.prom', 'dogged.prom.bak'])
    expect((await read(`metrics: { textfile: ${name} }\n`)).problems).toEqual([
      expect.stringMatching(/^metrics\.textfile must be the path of a file whose name ends in \.prom/),
    ]);
});

test('without metrics in the config nothing is opened and nothing written; a variable can say otherwise', async () => {
  expect((await read('')).metrics).toEqual({ listen: null, textfile: null });
  const { metrics } = await read('', { DOGGED__METRICS__LISTEN: '127.0.0.1:9464' });
  expect(metrics?.listen).toEqual({ host: '127.0.0.1', port: 9464 });
});
