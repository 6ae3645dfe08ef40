import { createHash } from 'node:crypto';
import { utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeHang } from '../../src/heartbeat/hang-file.js';
import { hungBytes } from '../../src/heartbeat/hung-bytes.js';
import { readHungRecords, takeHungRecords } from '../../src/heartbeat/hung-records.js';
import { createHungCheck } from '../../src/intake/hung.js';
import { tempFolder } from '../support/temp-folder.js';
import { aHang } from './a-hang.js';

const EVIL = Buffer.from('{"title":"evil"}');
const record = {
  path: '/d/ideas.json',
  digest: createHash('sha256').update(EVIL).digest('hex'),
  lengthBytes: EVIL.length,
};

/** A state folder, and a config that was last changed before the hangs that these tests write. */
function place() {
  const folder = tempFolder();
  const config = join(folder, 'dogged.config.yaml');
  writeFileSync(config, '');
  utimesSync(config, new Date('2025-01-01'), new Date('2025-01-01'));
  return { folder, config };
}

test('what a worker stood still on for good is remembered after its hang file is gone, and once', () => {
  const { folder, config } = place();
  writeHang(folder, aHang({ record }));
  writeHang(folder, aHang({ record, at: '2026-01-01T00:00:02.000Z' }));
  expect(takeHungRecords(folder, config)).toHaveLength(1);
  for (let second = 10; second < 20; second += 1) {
    writeHang(folder, aHang({ at: `2026-01-01T00:00:${second}.000Z` }));
  }
  expect(takeHungRecords(folder, config)).toMatchObject([record]);
  expect(readHungRecords(folder, config)).toMatchObject([record]);
});

test('a false alarm, and a hang in any other step, condemn no record', () => {
  const { folder, config } = place();
  writeHang(folder, aHang({ record, overAfterMs: 16_000 }));
  writeHang(folder, aHang({ at: '2026-01-01T00:00:02.000Z' }));
  expect(takeHungRecords(folder, config)).toEqual([]);
});

test('a config that was changed since gives the record another chance', () => {
  const { folder, config } = place();
  writeHang(folder, aHang({ record }));
  expect(takeHungRecords(folder, config)).toHaveLength(1);
  utimesSync(config, new Date('2026-02-01'), new Date('2026-02-01'));
  expect(readHungRecords(folder, config)).toEqual([]);
  expect(takeHungRecords(folder, config)).toEqual([]);
});

test('the record is known by its bytes: at another place it is refused too, changed it is not', () => {
  const refusal = createHungCheck([{ ...record, stoodIn: 'validate (gate.js:12)' }]);
  expect(refusal(EVIL)).toMatchObject({ refused: 'hung', detail: expect.stringContaining('gate.js:12') });
  expect(refusal(Buffer.from('{"title":"good"}'))).toBeNull();
  expect(refusal(Buffer.from('{}'))).toBeNull();
  expect(createHungCheck([])(EVIL)).toBeNull();
});

test('only the bytes that the loop was looking at are named, and none where the file has changed in length', () => {
  const path = join(tempFolder(), 'ideas.ndjson');
  writeFileSync(path, `{"title":"good"}\n${EVIL}\n`);
  const step = { step: 'intake.judge', detail: path, offset: 17, lengthBytes: EVIL.length } as const;
  expect(hungBytes(step)).toEqual({ ...record, path });
  expect(hungBytes({ ...step, step: 'intake.read' })).toBeNull();
  writeFileSync(path, '{}\n');
  expect(hungBytes(step)).toBeNull();
});
