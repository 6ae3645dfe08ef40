import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Audit } from '../../src/intake/audit.js';
import { systemFiles } from '../../src/intake/file-access.js';
import { EDGE_BYTES, Fingerprint, LEAF_BYTES } from '../../src/intake/fingerprint.js';
import { tempFolder } from '../support/temp-folder.js';

function fileOf(bytes: Buffer): { fd: number; path: string } {
  const path = join(tempFolder(), 'log');
  writeFileSync(path, bytes);
  const fd = openSync(path, 'r');
  onTestFinished(() => closeSync(fd));
  return { fd, path };
}

function content(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += 1) bytes[at] = (at * 31 + (at >> 8) * 7 + (at >> 16)) & 0xff;
  return bytes;
}

function printOf(bytes: Buffer, step = 100_003): Fingerprint {
  const print = new Fingerprint();
  for (let at = 0; at < bytes.length; at += step) print.advance(bytes.subarray(at, at + step));
  return print;
}

/** Runs audits, one poll a second, until no more is due. */
function auditAll(audit: Audit, fd: number, print: Fingerprint): 'same' | 'changed' {
  audit.demand(print);
  for (let nowMs = 1_000; audit.isDue; nowMs += 1_000) {
    const run = audit.run(systemFiles, fd, print, nowMs);
    let step = run.next();
    while (!step.done) step = run.next();
    if (step.value === 'changed') return 'changed';
  }
  return 'same';
}

describe('a fingerprint', () => {
  it('is the same however the bytes were cut, and is taken up again from its saved form', () => {
    const sizes = [0, 1, EDGE_BYTES, EDGE_BYTES + 1, LEAF_BYTES, 5 * LEAF_BYTES + 17];
    for (const size of sizes) {
      const bytes = content(size);
      const saved = printOf(bytes, 7_001).save();
      expect(printOf(bytes).save()).toEqual(saved);
      const { fd } = fileOf(bytes);
      const restored = Fingerprint.restore(saved, systemFiles, fd);
      expect(restored?.save()).toEqual(saved);
      const more = content(LEAF_BYTES);
      const extended = printOf(Buffer.concat([bytes, more]));
      restored?.advance(more);
      expect(restored?.save()).toEqual(extended.save());
    }
  });

  it('is not taken up for a file with another head, tail or last block, or a shorter one', () => {
    const bytes = content(3 * LEAF_BYTES + 20_000);
    const saved = printOf(bytes).save();
    for (const at of [0, EDGE_BYTES - 1, bytes.length - 1, 3 * LEAF_BYTES + 1]) {
      const changed = Buffer.from(bytes);
      changed.writeUInt8((changed.readUInt8(at) + 1) & 0xff, at);
      expect([at, Fingerprint.restore(saved, systemFiles, fileOf(changed).fd)]).toEqual([at, null]);
    }
    expect(Fingerprint.restore(saved, systemFiles, fileOf(bytes.subarray(0, -1)).fd)).toBeNull();
  });

  it('stays small when saved, however long the log', () => {
    const print = new Fingerprint();
    const leaf = content(LEAF_BYTES);
    for (let n = 0; n < 3_000; n += 1) print.advance(leaf);
    expect(JSON.stringify(print.save()).length).toBeLessThan(2_500);
  });
});

describe('an audit', () => {
  it('finds a change of any byte of the consumed part, in small and joined blocks', () => {
    const bytes = content(300 * LEAF_BYTES + 5_000);
    const print = printOf(bytes);
    expect(auditAll(new Audit(0, 0), fileOf(bytes).fd, print)).toBe('same');
    fc.assert(
      fc.property(fc.nat({ max: bytes.length - 1 }), fc.nat({ max: 300 }), (at, startLeaf) => {
        const before = bytes.readUInt8(at);
        bytes.writeUInt8(before ^ 1, at);
        const found = auditAll(new Audit(startLeaf, 0), fileOf(bytes).fd, print);
        bytes.writeUInt8(before, at);
        expect(found).toBe('changed');
      }),
      { numRuns: 12 },
    );
  });

  it('finds a change in a part of a joined block that it had passed before the change', () => {
    const bytes = content(300 * LEAF_BYTES);
    const print = printOf(bytes);
    const first = print.blockAt(0);
    expect(first?.leaves).toBeGreaterThan(1);
    const { fd, path } = fileOf(bytes);
    const audit = new Audit(0, 0);
    audit.demand(print);
    // The first leaf of the first block, and no more: that is all that the budget of no time allows.
    for (const _ of audit.run(systemFiles, fd, print, 0));
    expect(audit.position).toBe(1);
    const out = openSync(path, 'r+');
    writeSync(out, Buffer.of(bytes.readUInt8(7) ^ 1), 0, 1, 7);
    closeSync(out);
    expect(auditAll(audit, fd, print)).toBe('changed');
  });

  it('keeps to about 8 MiB a second, and demands during a round do not start it over', () => {
    const bytes = content(200 * LEAF_BYTES);
    const print = printOf(bytes);
    const { fd } = fileOf(bytes);
    let read = 0;
    const counting: typeof systemFiles = {
      ...systemFiles,
      read(...args) {
        const count = systemFiles.read(...args);
        read += count;
        return count;
      },
    };
    const audit = new Audit(0, 0);
    for (let nowMs = 100; nowMs <= 1_000; nowMs += 100) {
      audit.demand(print);
      for (const _ of audit.run(counting, fd, print, nowMs));
    }
    expect(read).toBeGreaterThan(7 * 1024 * 1024);
    expect(read).toBeLessThan(10 * 1024 * 1024);
    expect(audit.position).toBeGreaterThan(100);
  });
});
