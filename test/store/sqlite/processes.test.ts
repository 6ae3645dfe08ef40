import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { acquireStateLock } from '../../../src/store/open.js';
import { someOwner, T0 } from '../../conformance/given.js';
import { tempFolder } from '../../support/temp-folder.js';
import { until } from '../../support/until.js';
import { runStoreProcess } from './child.js';
import { open, owned } from './given.js';

describe('the state lock', () => {
  it('is refused to a second process, which learns who holds it', async () => {
    const folder = tempFolder();
    const holder = runStoreProcess(
      folder,
      `await acquireStateLock(folder); process.stdout.write('held'); process.stdin.resume();`,
    );
    await until(() => holder.output() === 'held');
    await expect(acquireStateLock(folder)).rejects.toMatchObject({
      code: 'STATE_IN_USE',
      message: expect.stringContaining('unknown'),
    });
    writeFileSync(join(folder, 'worker.pid'), `${holder.process.pid}\nsome nonce\n`);
    await expect(acquireStateLock(folder)).rejects.toMatchObject({
      message: expect.stringContaining(`PID ${holder.process.pid}`),
    });
  });

  it('is free again the moment its holder was killed', async () => {
    const folder = tempFolder();
    const holder = runStoreProcess(
      folder,
      `await acquireStateLock(folder); process.stdout.write('held'); process.stdin.resume();`,
    );
    await until(() => holder.output() === 'held');
    holder.process.kill('SIGKILL');
    await holder.ended;
    const lock = await acquireStateLock(folder);
    await expect(acquireStateLock(folder)).rejects.toMatchObject({ code: 'STATE_IN_USE' });
    lock.release();
    (await acquireStateLock(folder)).release();
  });

  it('goes to exactly one of several that start together', async () => {
    const folder = tempFolder();
    const tries = Array.from({ length: 5 }, () =>
      runStoreProcess(
        folder,
        `try { await acquireStateLock(folder); process.stdout.write('won'); process.stdin.resume(); }
         catch (error) { process.stdout.write(error.code); }`,
      ),
    );
    await until(() => tries.every(({ output }) => output() !== ''), { withinMs: 20_000 });
    expect(tries.map(({ output }) => output()).sort()).toEqual([...Array(4).fill('STATE_IN_USE'), 'won']);
  });
});

describe('ten processes that add the same key at once, to a store that does not exist yet', () => {
  it('make one job, and each learns its id', async () => {
    const folder = tempFolder();
    const adders = Array.from({ length: 10 }, () =>
      runStoreProcess(
        folder,
        `const store = await open('command');
         const report = await store.admit(batch(['same']));
         process.stdout.write(JSON.stringify(report.answers[0]));
         await store.close();`,
      ),
    );
    await Promise.all(adders.map(({ ended }) => ended));
    const answers = adders.map(({ output }) => JSON.parse(output()) as { result: string; id: string });
    expect(answers.map(({ result }) => result).sort()).toEqual([
      ...Array(9).fill('already-queued'),
      'queued',
    ]);
    expect(new Set(answers.map(({ id }) => id))).toEqual(new Set(['1']));
    const { store } = await owned(folder);
    expect((await store.counts()).total.ready).toBe(1);
  });
});

describe('a worker that is killed', () => {
  const crash = async (folder: string, failpoint: string, script: string) => {
    const child = runStoreProcess(folder, script, { DOGGED_FAILPOINT: failpoint });
    expect(await child.ended).toBe('SIGKILL');
  };
  const cursors = `cursors: [{ path: 'p', expectedEpoch: 0, body: 'read' }]`;
  const ideas = { workspace: 'default', kind: 'source', name: 'ideas' } as const;

  it.each([
    ['admit.before-commit', 0],
    ['admit.after-commit', 2],
  ])('at %s has admitted %i of two records, and the cursor says the same', async (failpoint, admitted) => {
    const folder = tempFolder();
    await crash(
      folder,
      failpoint,
      `const store = await open('worker'); await store.admit(batch(['a', 'b'], { ${cursors} }));`,
    );
    const { store } = await owned(folder);
    const counts = await store.counts();
    expect(counts.total.ready).toBe(admitted);
    expect(counts.sources.map(({ records }) => records)).toEqual(admitted === 0 ? [] : [admitted]);
    expect(await store.cursors(ideas)).toHaveLength(admitted === 0 ? 0 : 1);
  });

  it.each([
    ['turn.before-commit', { running: 0, ready: 3 }],
    ['turn.after-commit', { running: 1, ready: 2 }],
  ])('at %s has an attempt on record for each claim that it may have started', async (failpoint, places) => {
    const folder = tempFolder();
    await crash(
      folder,
      failpoint,
      `const store = await open('worker');
       await store.takeOwnership(owner, T0);
       await store.admit(batch(['a', 'b', 'c']));
       await turn(store, { freeSlots: 1 });`,
    );
    const store = await open(folder, 'worker');
    expect(await store.takeOwnership(someOwner, T0)).toMatchObject({ cleanStop: false });
    expect((await store.counts()).total).toMatchObject(places);
    const orphans = await store.orphans();
    expect(orphans.map(({ claim }) => [claim.key, claim.attempt])).toEqual(places.running ? [['a', 1]] : []);
  });

  it.each([
    ['turn.before-commit:2', { running: 1, completed: 0 }],
    ['turn.after-commit:2', { running: 0, completed: 1 }],
  ])('at %s has ended its job, or not at all', async (failpoint, places) => {
    const folder = tempFolder();
    await crash(
      folder,
      failpoint,
      `const store = await open('worker');
       await store.takeOwnership(owner, T0);
       await store.admit(batch(['a']));
       const { claims } = await turn(store);
       await turn(store, { ends: claims.map(end) });`,
    );
    const store = await open(folder, 'worker');
    await store.takeOwnership(someOwner, T0);
    expect((await store.counts()).total).toMatchObject(places);
    const [job] = await store.list({ limit: 1 });
    const { history = [] } = (await store.get(null, job?.id ?? '')) ?? {};
    expect(history).toMatchObject([{ kind: 'attempt', outcome: places.completed === 1 ? 'done' : null }]);
  });

  it('while it rescued leaves the orphans to the next one', async () => {
    const folder = tempFolder();
    await crash(
      folder,
      'rescue.before-commit',
      `const first = await open('worker');
       await first.takeOwnership(owner, T0);
       await first.admit(batch(['a']));
       const { claims } = await turn(first);
       const second = await open('worker');
       await second.takeOwnership(owner, T0);
       await second.rescue(claims.map(end), T0);`,
    );
    const store = await open(folder, 'worker');
    await store.takeOwnership(someOwner, T0);
    expect((await store.orphans()).map(({ claim }) => claim.key)).toEqual(['a']);
  });
});
