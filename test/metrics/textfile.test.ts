import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createTextfile } from '../../src/metrics/textfile.js';
import { FakeClock } from '../support/fake-clock.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';
import { quiet } from './outlets.js';

function textfile(path: string, configFile = '/srv/a.yaml') {
  const clock = new FakeClock();
  let beats = 0;
  const outlet = createTextfile({
    path,
    configFile,
    everyMs: 1_000,
    text: async () => `x ${++beats}\n`,
    clock,
    log: quiet,
    onChange: () => undefined,
  });
  onTestFinished(() => outlet.stop());
  return { clock, outlet, lines: () => readFileSync(path, 'utf8').split('\n') };
}

test('the file is written at once and with every beat, for everybody to read, and removed at a stop', async () => {
  const folder = tempFolder();
  const path = join(folder, 'dogged.prom');
  const umask = process.umask(0o077);
  onTestFinished(() => void process.umask(umask));
  const { clock, outlet, lines } = textfile(path);
  outlet.start();
  await until(() => existsSync(path));
  expect(lines()).toEqual([expect.stringMatching(/^# Metrics of dogged for "\/srv\/a\.yaml": /), 'x 1', '']);
  expect(statSync(path).mode & 0o777).toBe(0o644);
  await until(async () => {
    await clock.advance(1_000);
    return lines()[1] === 'x 3';
  });
  await outlet.stop();
  expect(readdirSync(folder)).toEqual([]);
});

test('what a killed worker left, the next one of this config takes over', async () => {
  const path = join(tempFolder(), 'dogged.prom');
  writeFileSync(path, '# Metrics of dogged for "/srv/a.yaml": in the words of another version\nx 99\n');
  writeFileSync(join(path, '..', '.dogged.prom.tmp'), 'half');
  const { outlet, lines } = textfile(path);
  outlet.start();
  await until(() => lines()[1] === 'x 1');
  expect(outlet.problem()).toBeNull();
});

test.each([
  ['of a user', 'my figures\n'],
  ['of another config', '# Metrics of dogged for "/srv/b.yaml": written\nx 1\n'],
  ['that is empty', ''],
])('a file %s is left alone, also at the stop', async (_, content) => {
  const path = join(tempFolder(), 'dogged.prom');
  writeFileSync(path, content);
  const { outlet } = textfile(path);
  outlet.start();
  await until(() => outlet.problem() !== null);
  expect(outlet.problem()).toContain('it is left alone');
  await outlet.stop();
  expect(readFileSync(path, 'utf8')).toBe(content);
});

test('a link is left alone, wherever it leads, and a link in the place of the temporary file is not followed', async () => {
  const folder = tempFolder();
  const own = join(folder, 'own');
  writeFileSync(own, 'mine');
  const path = join(folder, 'dogged.prom');
  symlinkSync(own, join(folder, '.dogged.prom.tmp'));
  const { outlet } = textfile(path);
  outlet.start();
  await until(() => existsSync(path));
  const linked = textfile(join(folder, 'link.prom'));
  symlinkSync(own, join(folder, 'link.prom'));
  linked.outlet.start();
  await until(() => linked.outlet.problem() !== null);
  expect(readFileSync(own, 'utf8')).toBe('mine');
});

test('a folder that is not there is said, and used once it is', async () => {
  const folder = join(tempFolder(), 'later');
  const path = join(folder, 'dogged.prom');
  const { clock, outlet } = textfile(path);
  outlet.start();
  await until(() => outlet.problem() !== null);
  expect(outlet.problem()).toBe(`${path} cannot be written (ENOENT)`);
  mkdirSync(folder);
  chmodSync(folder, 0o755);
  await until(async () => {
    await clock.advance(1_000);
    return outlet.problem() === null && existsSync(path);
  });
});
