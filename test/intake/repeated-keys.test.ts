import { appendFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { end, someOwner } from '../conformance/given.js';
import { createRig, directorySource, logSource, type Rig, type RigOptions } from './rig.js';

/** Runs whatever waits to its end, and tells what ran. */
async function runAll({ store, clock }: Rig): Promise<string[]> {
  const turn = (rest: object) =>
    store.turn({ ends: [], freeSlots: 0, eligible: [], nowMs: clock.wallMs(), ...rest });
  const { claims } = await turn({ freeSlots: 100, eligible: [{ task: 'work', room: 100 }] });
  await turn({ ends: claims.map((claim) => end(claim)) });
  return claims.map(({ payload }) => payload.bytes.toString());
}

const warnings = (rig: Rig) => rig.lines.splice(0).filter((line) => /records? repeat/.test(line));

type OnChange = 'ignore' | 'rerun';

interface Place {
  readonly rig: Rig;
  /** All of it is written anew, and put in its place by a rename. */
  readonly replace: (records: readonly string[]) => void;
}

async function rigFor(
  kind: 'log' | 'directory',
  onChange: OnChange,
  options: RigOptions = {},
): Promise<Place> {
  const rig = await createRig(
    (folder) =>
      kind === 'log'
        ? logSource(join(folder, 'a.json'), { onChange })
        : directorySource(folder, { onChange }),
    options,
  );
  await rig.store.takeOwnership(someOwner, rig.clock.wallMs());
  await rig.store.configureTasks(['default'], [{ task: 'work', groupLimit: null, maxAttempts: 3 }]);
  return {
    rig,
    replace(records) {
      const text = kind === 'log' ? records.map((one) => `${one}\n`).join('') : `[${records.join(',')}]`;
      writeFileSync(join(rig.folder, '.new'), text);
      renameSync(join(rig.folder, '.new'), join(rig.folder, 'a.json'));
    },
  };
}

const [one, two, three] = ['{"id":1,"v":1}', '{"id":1,"v":2}', '{"id":1,"v":3}'];

describe.each(['log', 'directory'] as const)('duplicate key in one file of a %s', (kind) => {
  it('under onChange: rerun the last wins, and a warning counts it', async () => {
    const { rig, replace } = await rigFor(kind, 'rerun');
    replace([one, two, '{"id":2}', three]);
    await rig.polls(2);
    expect(warnings(rig)).toEqual([
      expect.stringMatching(/"repeated":2.*2 records repeat a key .*last .* counts \(onChange: rerun\)/),
    ]);
    expect((await runAll(rig)).sort()).toEqual([three, '{"id":2}'].sort());
  });

  it('under onChange: ignore the first is the one that is known, and a warning counts the others', async () => {
    const { rig, replace } = await rigFor(kind, 'ignore');
    replace([one, two, '{"id":2}', one]);
    await rig.polls(2);
    expect(warnings(rig)).toEqual([
      expect.stringMatching(/"repeated":2.*2 records repeat a key .*first .* counts \(onChange: ignore\)/),
    ]);
    expect((await runAll(rig)).sort()).toEqual([one, '{"id":2}'].sort());
  });

  it('runs nothing again when the file is read anew, however often', async () => {
    const { rig, replace } = await rigFor(kind, 'rerun');
    replace([one, two, three]);
    await rig.polls(2);
    expect(await runAll(rig)).toEqual([three]);
    warnings(rig);
    for (const id of [2, 3]) {
      replace([`{"id":${id}}`, one, two, three]);
      rig.restart();
      await rig.polls(2);
      expect(await runAll(rig)).toEqual([`{"id":${id}}`]);
      expect(warnings(rig)).toEqual([]);
    }
  });

  it('runs again when the last is another than before, also one that had run long ago', async () => {
    const { rig, replace } = await rigFor(kind, 'rerun');
    for (const records of [[one], [one, two], [two, one], [one, three]]) {
      replace([...records, '{"id":2}']);
      await rig.polls(2);
      expect((await runAll(rig)).filter((text) => text !== '{"id":2}')).toEqual(records.slice(-1));
    }
  });

  it('adds up: every record is counted under one result', async () => {
    const { rig, replace } = await rigFor(kind, 'rerun');
    replace([one, two, '{"id":2}', three, three]);
    await rig.polls(2);
    const counts = JSON.parse(rig.lines[0]?.replace(/^(\{.*\}) .*$/, '$1') ?? '{}');
    expect(counts).toMatchObject({ seen: 5, queued: 2, superseded: 1 });
    expect(counts['older-ignored']).toBe(2);
  });

  it('loses no change when admission fails at any moment', async () => {
    for (let failAt = 1; failAt < 4; failAt += 1) {
      for (const when of ['before', 'after'] as const) {
        let left = Number.POSITIVE_INFINITY;
        const { rig, replace } = await rigFor(kind, 'rerun', {
          wrapStore: (store) => ({
            cursors: (scope) => store.cursors(scope),
            async admit(batch) {
              left -= 1;
              if (left === 0 && when === 'before') throw new Error('killed');
              const report = await store.admit(batch);
              if (left === 0) throw new Error('killed');
              return report;
            },
          }),
        });
        replace(['{"id":2}', one]);
        await rig.polls(1);
        expect(await runAll(rig)).toEqual(['{"id":2}', one]);
        replace(['{"id":3}', one, two, three]);
        left = failAt;
        await rig.polls(1);
        rig.restart();
        left = Number.POSITIVE_INFINITY;
        await rig.polls(2);
        expect((await runAll(rig)).sort()).toEqual([three, '{"id":3}']);
      }
    }
  });
});

describe('changed records', () => {
  it('that are more than is held in memory all run, each once', async () => {
    const { rig, replace } = await rigFor('log', 'rerun');
    const records = (v: number) =>
      Array.from({ length: 700 }, (_, id) => JSON.stringify({ id, v, text: 'x'.repeat(50_000) }));
    replace(records(1));
    await rig.poll();
    replace(records(2));
    expect(await rig.poll()).toBe(true);
    const jobs = await rig.jobs();
    expect(jobs).toHaveLength(700);
    for (const { payload } of jobs) expect(JSON.parse(payload.bytes.toString()).v).toBe(2);
    rig.lines.length = 0;
    rig.restart();
    await rig.polls(2);
    expect(rig.lines).toEqual([]);
  });
});

describe('a key of two files', () => {
  it('runs nothing again when both are read anew', async () => {
    const { rig } = await rigFor('directory', 'rerun');
    const write = (space: string) => {
      writeFileSync(join(rig.folder, 'a.json'), `${space}${one}`);
      writeFileSync(join(rig.folder, 'b.json'), `${space}${two}`);
    };
    write('');
    await rig.polls(2);
    expect(await runAll(rig)).toEqual([two]);
    write(' ');
    await rig.polls(3);
    expect(await runAll(rig)).toEqual([]);
  });
});

describe('changes that come one by one', () => {
  it('run one by one, each as it comes', async () => {
    const { rig } = await rigFor('log', 'rerun');
    for (const text of [one, two, one, three]) {
      appendFileSync(join(rig.folder, 'a.json'), `${text}\n`);
      await rig.polls(1);
      expect(await runAll(rig)).toEqual([text]);
    }
  });
});
