import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { VERSIONS_AN_HOUR } from '../../src/store/intake-contract.js';
import { admit, end, someOwner, turn } from '../conformance/given.js';
import { createRig, logSource, type Rig } from '../intake/rig.js';

/*
 * Finished items were remembered for 24 hours, counted from when they were queued. After that the reconciliation found
 * them in the file, did not know them, and queued them again, every day more of them: 358,000 runs. A second detector did
 * not look at what was finished at all.
 */

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

describe('the old logic, in small', () => {
  class WindowedMemory {
    readonly #queuedAtMs = new Map<string, number>();
    readonly runs: string[] = [];

    reconcile(file: readonly string[], nowMs: number): void {
      for (const key of file) {
        const queuedAtMs = this.#queuedAtMs.get(key);
        if (queuedAtMs !== undefined && nowMs - queuedAtMs < DAY) continue;
        this.#queuedAtMs.set(key, nowMs);
        this.runs.push(key);
      }
    }

    /** Looks for gaps in what was made, and asks nobody whether it was tried. */
    detectGaps(file: readonly string[], made: ReadonlySet<string>): void {
      for (const key of file) if (!made.has(key)) this.runs.push(key);
    }
  }

  test('forgets what was done as soon as its window is over, and runs it again, for ever', () => {
    const old = new WindowedMemory();
    for (let day = 0; day < 10; day += 1) old.reconcile(['a'], day * DAY);
    expect(old.runs).toEqual(Array(10).fill('a'));
  });

  test('has a detector that goes round the memory: each look queues the same job again', () => {
    const old = new WindowedMemory();
    old.reconcile(['a'], 0);
    for (let look = 0; look < 5; look += 1) old.detectGaps(['a'], new Set());
    expect(old.runs).toHaveLength(6);
  });
});

describe('now', () => {
  const write = (rig: Rig, records: readonly object[]) => {
    const path = join(rig.folder, 'ideas_log.json');
    writeFileSync(`${path}.tmp`, JSON.stringify(records));
    renameSync(`${path}.tmp`, path);
  };

  async function rigOf(onChange: 'ignore' | 'rerun'): Promise<Rig> {
    const rig = await createRig((folder) =>
      logSource(join(folder, 'ideas_log.json'), { key: 'title', onChange }),
    );
    await rig.store.takeOwnership(someOwner, rig.clock.wallMs());
    return rig;
  }

  /** Runs all that is due; returns which keys ran. */
  async function runAll(rig: Rig): Promise<string[]> {
    const at = { nowMs: rig.clock.wallMs(), eligible: [{ task: 'work', room: 10 }] };
    const { claims } = await turn(rig.store, at);
    const endedAtMs = at.nowMs;
    const ends = claims.map((claim, n) =>
      end(claim, n === 1 ? { to: 'failed', reason: 'exit 1' } : undefined, { endedAtMs }),
    );
    await turn(rig.store, { ...at, ends, freeSlots: 0 });
    return claims.map(({ key }) => key);
  }

  const three = [{ title: 'a' }, { title: 'b' }, { title: 'c' }];

  test('what was done stays done: not after a day, nor after its job was pruned, nor when all is read anew', async () => {
    const rig = await rigOf('rerun');
    write(rig, three);
    await rig.polls(1);
    expect(await runAll(rig)).toEqual(['a', 'b', 'c']);
    for (let day = 0; day < 10; day += 1) {
      await rig.clock.advance(DAY);
      expect(await rig.store.prune(rig.clock.wallMs() - HOUR, 100)).toBe(day === 0 ? 3 : 0);
      write(rig, day % 2 === 0 ? [...three].reverse() : three);
      rig.restart();
      await rig.polls(2);
      expect(await runAll(rig)).toEqual([]);
    }
    expect(await rig.jobs()).toEqual([]);
  });

  test('reading twice is reading once: a second look at everything queues nothing, with jobs in any state', async () => {
    const rig = await rigOf('rerun');
    write(rig, three);
    await rig.polls(1);
    const before = await rig.keys();
    for (const settle of [async () => [], () => runAll(rig)]) {
      await settle();
      write(rig, three);
      rig.restart();
      await rig.polls(2);
      expect(await rig.keys()).toEqual(before);
    }
  });

  test.each([
    ['ignore', []],
    ['rerun', ['a']],
  ] as const)(
    'a known key with a new version does as onChange says (%s), once, also after pruning',
    async (onChange, ran) => {
      const rig = await rigOf(onChange);
      write(rig, three);
      await rig.polls(1);
      await runAll(rig);
      await rig.clock.advance(2 * DAY);
      await rig.store.prune(rig.clock.wallMs() - HOUR, 100);
      write(rig, [{ title: 'a', text: 'new' }, { title: 'b' }, { title: 'c' }]);
      for (let n = 0; n < 3; n += 1) {
        rig.restart();
        await rig.polls(2);
        expect(await runAll(rig)).toEqual(n === 0 ? ran : []);
      }
    },
  );

  test('no detector can go round the door: whoever offers a known record is told that it is done', async () => {
    const rig = await rigOf('ignore');
    write(rig, three);
    await rig.polls(1);
    await runAll(rig);
    const scope = { workspace: 'default', kind: 'source' as const, name: 'log' };
    const record = { key: 'a', content: '{"title":"a"}', task: 'work' };
    for (let look = 0; look < 5; look += 1) {
      expect(await admit(rig.store, [record], { scope })).toMatchObject([{ result: 'already-done' }]);
    }
    expect(await rig.keys()).toEqual(['a', 'b', 'c']);
  });

  test('a record that its own handler rewrites with each run is held, and named, instead of running for ever', async () => {
    const rig = await rigOf('rerun');
    let runs = 0;
    for (let n = 0; n < 200; n += 1) {
      write(rig, [{ title: 'a', run: n }]);
      await rig.polls(1);
      runs += (await runAll(rig)).length;
    }
    expect(runs).toBe(1 + VERSIONS_AN_HOUR);
    expect(rig.lines.join('\n')).toContain('changed more than 20 times within an hour are held back');
    expect((await rig.jobs()).at(-1)).toMatchObject({
      place: 'scheduled',
      reason: expect.stringContaining('loop'),
    });
    // Nothing is lost: the last of them runs when the hour is over.
    await rig.clock.advance(HOUR);
    expect(await runAll(rig)).toEqual(['a']);
    const [last] = await rig.payloads().then((all) => all.slice(-1));
    expect(last).toEqual({ title: 'a', run: 199 });
  });
});
