import { lstatSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type FileMemory, KnownFiles } from '../../src/intake/known-files.js';
import { stampOf } from '../../src/intake/stamp.js';

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const memory: fc.Arbitrary<FileMemory> = fc.record({
  stamp: fc.record({ dev: int64, ino: int64, size: int64, mtimeNs: int64, ctimeNs: int64 }),
  digest: fc
    .uint8Array({ minLength: 12, maxLength: 12 })
    .map((bytes) => Buffer.from(bytes).toString('base64')),
  whole: fc.boolean(),
});
const action = fc.oneof(
  fc.record({ verb: fc.constant('remember' as const), path: fc.nat(30), memory }),
  fc.record({ verb: fc.constant('forget' as const), path: fc.nat(30), memory }),
  fc.record({ verb: fc.constant('clear' as const), path: fc.constant(0), memory }),
);

describe('the known files of a folder', () => {
  it('are remembered to the bit, as a plain map would, whatever is added and forgotten in between', () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 100 }), (actions) => {
        const known = new KnownFiles();
        const expected = new Map<string, FileMemory>();
        for (const { verb, path: n, memory } of actions) {
          const path = `/folder/${n}.json`;
          if (verb === 'remember') {
            known.remember(known.slotOf(path) ?? known.add(path), memory);
            expected.set(path, memory);
          } else if (verb === 'forget') {
            known.forget(path);
            expected.delete(path);
          } else {
            known.clear();
            expected.clear();
          }
          expect(known.size).toBe(expected.size);
        }
        const found = new Map<string, FileMemory | null>();
        for (let slot = 0; slot < known.slotsEnd; slot += 1) {
          const path = known.pathAt(slot);
          if (path !== undefined) found.set(path, known.recall(slot));
        }
        expect(found).toEqual(expected);
      }),
    );
  });

  it('keep what they hold when there are more and more of them', () => {
    const known = new KnownFiles();
    const memoryOf = (n: number): FileMemory => ({
      stamp: { dev: 1n, ino: BigInt(n), size: 2n, mtimeNs: 3n, ctimeNs: 4n },
      digest: Buffer.alloc(12, n).toString('base64'),
      whole: n % 2 === 0,
    });
    for (let n = 0; n < 5_000; n += 1) known.remember(known.add(`/${n}`), memoryOf(n));
    for (let n = 0; n < 5_000; n += 1) {
      const slot = known.slotOf(`/${n}`) ?? -1;
      expect(known.recall(slot)).toEqual(memoryOf(n));
    }
  });

  it('tell a stamp from any other, and nothing of a file of which nothing is remembered', () => {
    const known = new KnownFiles();
    const stats = lstatSync(import.meta.filename, { bigint: true });
    const slot = known.add('/a');
    expect(known.isAt(slot, stats)).toBe(false);
    expect(known.recall(slot)).toBeNull();
    const digest = Buffer.alloc(12).toString('base64');
    known.remember(slot, { stamp: stampOf(stats), digest, whole: true });
    expect(known.isAt(slot, stats)).toBe(true);
    for (const part of ['dev', 'ino', 'size', 'mtimeNs', 'ctimeNs'] as const) {
      const stamp = stampOf(stats);
      known.remember(slot, { stamp: { ...stamp, [part]: stamp[part] + 1n }, digest, whole: true });
      expect([part, known.isAt(slot, stats)]).toEqual([part, false]);
    }
  });

  it('that are doubted are as they were, but their stamps prove nothing until they are remembered anew', () => {
    const known = new KnownFiles();
    const stats = lstatSync(import.meta.filename, { bigint: true });
    const memory = { stamp: stampOf(stats), digest: Buffer.alloc(12, 1).toString('base64'), whole: true };
    const [first, second] = [known.add('/a'), known.add('/b')];
    for (const slot of [first, second]) known.remember(slot, memory);
    known.doubt(first);
    expect([first, second].map((slot) => known.isAt(slot, stats))).toEqual([false, true]);
    known.doubtAll();
    expect([first, second].map((slot) => known.isAt(slot, stats))).toEqual([false, false]);
    expect(known.isDoubted(first)).toBe(true);
    expect(known.recall(first)).toEqual(memory);
    known.remember(first, memory);
    expect(known.isAt(first, stats)).toBe(true);
    expect(known.isDoubted(first)).toBe(false);
  });

  it('have one slot each, also when a listing names one twice', () => {
    const known = new KnownFiles();
    expect(known.add('/a')).toBe(known.add('/a'));
    expect(known.slotsEnd).toBe(1);
  });

  it('begin with nothing in the place of a file that was forgotten', () => {
    const known = new KnownFiles();
    const digest = Buffer.alloc(12, 1).toString('base64');
    const stamp = { dev: 1n, ino: 1n, size: 1n, mtimeNs: 1n, ctimeNs: 1n };
    const first = known.add('/a');
    known.remember(first, { stamp, digest, whole: true });
    known.markListed(first, 7);
    expect(known.claimLook(first, 7)).toBe(true);
    expect(known.claimLook(first, 7)).toBe(false);
    known.forget('/a');
    const second = known.add('/b');
    expect(second).toBe(first);
    expect(known.recall(second)).toBeNull();
    expect(known.isListed(second, 7)).toBe(false);
    expect(known.claimLook(second, 7)).toBe(true);
  });
});
