import { expect, test } from 'vitest';
import { ledgerHash, takeSnapshot } from '../../src/job/snapshot.js';
import { type BatchDone, onlyBatch, traceBatch } from '../../src/trace/cycle-trace.js';
import { type Guarded, guardOf, isUntouched } from '../../src/trace/guard.js';
import { joinSeals, sealOf } from '../../src/trace/seal.js';
import { judgeCycle, verdictOf } from '../../src/trace/verdict.js';

const record = (key: string, text = `{"key":"${key}"}`): Guarded => ({
  key,
  occurrenceIn: null,
  version: { hash: ledgerHash(text) },
  payload: takeSnapshot(Buffer.from(text)),
});

const SIX = ['a', 'b', 'c', 'd', 'e', 'f'];

/** A store that does what it should, but for what `different` says. */
function done(records: readonly Guarded[], different: Partial<BatchDone> = {}): BatchDone {
  return {
    records,
    rejects: [],
    refusals: records.map(() => null),
    puts: records.map((one) => ({ record: one, isReplaced: false })),
    enqueued: { stream: sealOf(records).stream, count: records.length },
    nowMs: 2,
    ...different,
  };
}

const nothingRead = {
  read: { count: 0, crc: 0, atMs: 0 },
  damaged: 0,
  waiting: 6,
  open: 6,
  reasons: {},
  lost: [],
};

test.each([
  [
    'writes another record than it decided on',
    'WRITE_OUT_PREPUT',
    (six: Guarded[]) => ({
      puts: six.map((one, n) => ({ record: n === 2 ? record('x') : one, isReplaced: false })),
    }),
  ],
  [
    'writes one less',
    'WRITE_OUT_PREPUT',
    (six: Guarded[]) => ({
      puts: six.slice(1).map((one) => ({ record: one, isReplaced: false })),
    }),
  ],
  [
    'has stored one less',
    'ENQUEUED',
    (six: Guarded[]) => ({
      enqueued: { stream: sealOf(six.slice(1)).stream, count: 5 },
    }),
  ],
  [
    'has stored something else',
    'ENQUEUED',
    (six: Guarded[]) => ({
      enqueued: { stream: sealOf([...six.slice(1), record('x')]).stream, count: 6 },
    }),
  ],
] as const)('a store that %s is seen at %s, with and without a guard', (_, at, different) => {
  const six = SIX.map((key) => record(key));
  for (const guard of [undefined, guardOf(six)]) {
    const batch = { ...onlyBatch(six, 1), ...(guard && { guard }) };
    expect(traceBatch(batch, done(six)).broken).toBeNull();
    const trace = traceBatch(batch, done(six, different(six)));
    expect(trace.broken?.at).toBe(at);
    expect(verdictOf(judgeCycle(trace, nothingRead))).toBe('broken');
  }
});

test('asked twice it answers the same: a transaction may be tried again', () => {
  const six = SIX.map((key) => record(key));
  const soFar = traceBatch(onlyBatch(six, 1), done(six));
  const batch = onlyBatch([record('g')], 3, soFar);
  const [first, second] = [1, 2].map(() => traceBatch(batch, done([record('g')])));
  expect(first).toEqual(second);
  expect(first?.marks.ENQUEUED?.count).toBe(7);
});

test('one batch or many: the hash is that of the records in their order', () => {
  const six = SIX.map((key) => record(key));
  const whole = traceBatch(onlyBatch(six, 1), done(six));
  const first = traceBatch(onlyBatch(six.slice(0, 2), 1), done(six.slice(0, 2)));
  const both = traceBatch(onlyBatch(six.slice(2), 1, first), done(six.slice(2)));
  expect(both.marks).toEqual(whole.marks);
  expect(joinSeals([sealOf(six.slice(0, 2)), sealOf(six.slice(2))])).toEqual(sealOf(six));
});

test('changes that are held count as waiting until the end of the poll, and as older when a later one outruns them', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((key) => record(key)) as [Guarded, Guarded, Guarded];
  const held = { holdsChanges: true };
  const first = traceBatch(
    { ...onlyBatch([a, b, c], 1), ...held },
    done([a, b, c], {
      refusals: [null, 'changed-ignored', 'changed-ignored'],
      puts: [{ record: a, isReplaced: false }],
      enqueued: { stream: sealOf([a]).stream, count: 1 },
    }),
  );
  expect(first.waiting).toBe(2);
  const step = judgeCycle(first, nothingRead).find(({ name }) => name === 'AFTER_DIFF_OR_SUPPRESS');
  expect(step).toMatchObject({ ok: null, count: 1, remark: expect.stringContaining('2 held') });
  const last = traceBatch({ ...onlyBatch([c], 1, first), isSecondLook: true, outrun: ['b'] }, done([c]));
  expect(last).toMatchObject({
    waiting: 0,
    marks: { FEED_IN: { count: 3 }, AFTER_DIFF_OR_SUPPRESS: { count: 2 }, ENQUEUED: { count: 2 } },
    lost: [{ key: 'b', at: 'AFTER_DIFF_OR_SUPPRESS', reason: 'older-ignored' }],
  });
});

test('a count that falls without a reason is broken, and so is another hash with the same count', () => {
  const six = SIX.map((key) => record(key));
  const { marks, ...rest } = traceBatch(onlyBatch(six, 1), done(six));
  const mark = (count: number, crc = marks.ENQUEUED?.crc ?? 0) => ({ count, crc, atMs: 1 });
  const stepsWith = (changed: object) =>
    judgeCycle({ ...rest, marks: { ...marks, ...changed } }, nothingRead)
      .filter(({ ok }) => ok === false)
      .map(({ name, remark }) => [name, remark]);
  expect(stepsWith({})).toEqual([]);
  expect(stepsWith({ ENQUEUED: mark(5) })).toEqual([['ENQUEUED', '1 unaccounted for']]);
  expect(stepsWith({ ENQUEUED: mark(6, 7) })).toEqual([['ENQUEUED', 'another hash with the same count']]);
  const read = { ...nothingRead, waiting: 0, read: mark(6, 7) };
  expect(judgeCycle({ ...rest, marks }, read).at(-1)).toMatchObject({
    ok: false,
    remark: '6 of 6 read, hash not equal',
  });
});

test('a guard sees every byte of every payload, large or small, and another order', () => {
  const records = ['a', 'b', 'c'].flatMap((key) => [
    record(key),
    record(`${key}2`, `"${'x'.repeat(9_000)}"`),
  ]);
  const guard = guardOf(records);
  expect(isUntouched(guard, records)).toBe(true);
  expect(isUntouched(guard, [...records].reverse())).toBe(false);
  expect(isUntouched(guard, records.slice(1))).toBe(false);
  for (const { payload } of records) {
    for (const at of [0, payload.bytes.length - 1]) {
      payload.bytes.writeUInt8(payload.bytes.readUInt8(at) ^ 1, at);
      expect(isUntouched(guard, records)).toBe(false);
      payload.bytes.writeUInt8(payload.bytes.readUInt8(at) ^ 1, at);
    }
  }
  expect(isUntouched(guard, records)).toBe(true);
});
