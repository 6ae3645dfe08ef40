import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createHangWatch } from '../../src/health/hang-watch.js';
import { writeHang } from '../../src/heartbeat/hang-file.js';
import { aHang } from '../heartbeat/a-hang.js';
import { tempFolder } from '../support/temp-folder.js';

const HANG = aHang();
const look = (folder: string) => createHangWatch(folder).look('ours', process.pid);

test('a worker stands in the hang that its own guard has written', () => {
  const folder = tempFolder();
  expect(look(folder)).toBeNull();
  writeHang(folder, HANG);
  expect(look(folder)).toMatchObject({ nonce: 'ours', stoodMs: 15_000 });
});

test('a hang of the worker before says nothing about this one', () => {
  const folder = tempFolder();
  writeHang(folder, { ...HANG, nonce: 'of another' });
  expect(look(folder)).toBeNull();
});

test('a hang that is over is none, also when it was seen while it lasted', () => {
  const folder = tempFolder();
  const watch = createHangWatch(folder);
  writeHang(folder, HANG);
  expect(watch.look('ours', process.pid)).not.toBeNull();
  writeHang(folder, { ...HANG, overAfterMs: 16_000 });
  expect(watch.look('ours', process.pid)).toBeNull();
  // The next one counts again.
  writeHang(folder, { ...HANG, at: '2026-01-01T00:00:09.000Z' });
  expect(watch.look('ours', process.pid)).not.toBeNull();
});

test('a file that is damaged or of another shape is passed over', () => {
  const folder = tempFolder();
  writeFileSync(join(folder, 'hang-a.json'), '{"schema":1,"nonce":"ours"');
  writeFileSync(join(folder, 'hang-b.json'), '{"schema":2,"nonce":"ours","overAfterMs":null}');
  expect(look(folder)).toBeNull();
});
