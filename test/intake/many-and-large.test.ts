import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type FileAccess, systemFiles } from '../../src/intake/file-access.js';
import type { Store } from '../../src/store/engine.js';
import type { IntakeStore } from '../../src/store/intake-contract.js';
import { createRig, directorySource, logSource } from './rig.js';

/*
 * "100,000 files at once; a 10 GB log: memory stays flat, the loop keeps beating." Counted, not timed: how much is read,
 * looked at and admitted between two turns of the loop.
 */

/** Counts between two turns of the event loop, and keeps the most of each. */
class Beat {
  readonly most = { bytes: 0, looks: 0, rows: 0, payloadBytes: 0, readAtOnce: 0 };
  #bytes = 0;
  #looks = 0;
  #isBeating = true;
  turns = 0;

  constructor() {
    const beat = () => {
      this.turns += 1;
      this.#bytes = 0;
      this.#looks = 0;
      if (this.#isBeating) setImmediate(beat);
    };
    setImmediate(beat);
  }

  stop(): void {
    this.#isBeating = false;
  }

  readonly files: FileAccess = {
    ...systemFiles,
    lstat: (path) => {
      this.#looks += 1;
      this.most.looks = Math.max(this.most.looks, this.#looks);
      return systemFiles.lstat(path);
    },
    read: (fd, into, length, position) => {
      const count = systemFiles.read(fd, into, length, position);
      this.#bytes += count;
      this.most.bytes = Math.max(this.most.bytes, this.#bytes);
      this.most.readAtOnce = Math.max(this.most.readAtOnce, length);
      return count;
    },
  };

  readonly wrapStore = (store: Store): IntakeStore => ({
    cursors: (...page) => store.cursors(...page),
    admit: (batch) => {
      const rows = batch.records.length + batch.rejects.length + batch.cursors.length;
      this.most.rows = Math.max(this.most.rows, rows);
      const payloadBytes = batch.records.reduce((sum, { payload }) => sum + payload.bytes.length, 0);
      this.most.payloadBytes = Math.max(this.most.payloadBytes, payloadBytes);
      return store.admit(batch);
    },
  });
}

/** By hand all of them, which take half a minute: `DOGGED_MANY_FILES=100000 npx vitest run test/intake/many`. */
const MANY = Number(process.env['DOGGED_MANY_FILES'] ?? 20_000);

describe('100,000 files at once; a 10 GB log', () => {
  it(`${MANY} files are taken in slices, each in a transaction of at most 5,000 rows, and none is missed`, async () => {
    const beat = new Beat();
    const { files, wrapStore } = beat;
    const rig = await createRig((folder) => directorySource(folder), { files, wrapStore });
    const count = MANY;
    for (let id = 0; id < count; id += 1) writeFileSync(join(rig.folder, `${id}.json`), `{"id":${id}}`);
    expect(await rig.poll()).toBe(true);
    beat.stop();
    expect((await rig.store.counts()).sources).toMatchObject([{ records: count, rejected: 0 }]);
    expect(beat.most.rows).toBeLessThanOrEqual(5_000);
    expect(beat.most.looks).toBeLessThanOrEqual(1_000);
    expect(beat.turns).toBeGreaterThan(count / 1_000);
  }, 120_000);

  it('a large log is read window by window, and the loop turns in between', async () => {
    const beat = new Beat();
    const { files, wrapStore } = beat;
    const rig = await createRig((folder) => logSource(join(folder, 'log.json')), { files, wrapStore });
    const path = join(rig.folder, 'log.json');
    const count = 20_000;
    const padding = 'x'.repeat(2_000);
    const lines = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, n) => `{"id":${from + n},"padding":"${padding}"}\n`).join('');
    for (let id = 0; id < count; id += 1_000) appendFileSync(path, lines(id, id + 1_000));
    expect(await rig.poll()).toBe(true);
    expect(beat.most.readAtOnce).toBeLessThanOrEqual(256 * 1024);
    expect(beat.most.bytes).toBeLessThanOrEqual(2 * 1024 * 1024);
    expect(beat.most.rows).toBeLessThanOrEqual(5_000);
    expect(beat.most.payloadBytes).toBeLessThanOrEqual(4 * 1024 * 1024);
    expect(beat.turns).toBeGreaterThan(20);
    beat.stop();
    expect((await rig.store.counts()).sources).toMatchObject([{ records: count, rejected: 0 }]);
  }, 60_000);
});
