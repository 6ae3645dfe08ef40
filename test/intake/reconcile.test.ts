import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SourceConfig } from '../../src/config/config.js';
import { systemFiles } from '../../src/intake/file-access.js';
import { auditSource, reconcileSource } from '../../src/intake/reconcile.js';
import { systemClock } from '../../src/platform/clock.js';
import type { AdmissionBatch } from '../../src/store/intake-contract.js';
import { tempFolder } from '../support/temp-folder.js';
import { createRig, directorySource, logSource, type Rig } from './rig.js';

/** An intake with a fault: it takes these records for admitted, and they are not. */
async function forgetful(makeSource: (folder: string) => SourceConfig, forgets: (text: string) => boolean) {
  const rig = await createRig(makeSource, {
    clock: systemClock,
    wrapStore: (store) => ({
      cursors: (scope) => store.cursors(scope),
      // With the trace it would be seen at once; an audit must find what any fault has lost, also one that nothing saw.
      admit: ({ trace: _, ...batch }: AdmissionBatch) =>
        store.admit({
          ...batch,
          // Only the polls have the fault: they are what moves cursors.
          records: batch.records.filter(
            ({ payload }) => batch.cursors.length === 0 || !forgets(payload.bytes.toString()),
          ),
        }),
    }),
  });
  return { rig, parts: partsOf(rig, makeSource(rig.folder)) };
}

function partsOf(rig: Rig, source: SourceConfig) {
  return {
    source,
    tasks: [],
    hung: [],
    store: rig.store,
    clock: systemClock,
    files: systemFiles,
    lookAgainMs: 1,
    onQueued: () => undefined,
    onProgress: () => undefined,
    isStopping: () => false,
  };
}

const inLog =
  (changes = {}) =>
  (folder: string) =>
    logSource(join(folder, 'log.ndjson'), { pollMs: 10, ...changes });
const inFolder =
  (changes = {}) =>
  (folder: string) =>
    directorySource(folder, { pollMs: 10, ...changes });
const nothing = () => false;

describe('an audit', () => {
  it('tells for each record where it stands, refused ones and their reasons included', async () => {
    const { rig, parts } = await forgetful(
      inLog({ require: { type: 'object', required: ['id', 'title'] } }),
      nothing,
    );
    const path = join(rig.folder, 'log.ndjson');
    writeFileSync(path, '{"id":1,"title":"a"}\n{"id":2}\n{"id":3,"title":"c"}\nno json\n');
    await rig.poll();
    await rig.store.cancel('default', [(await rig.jobs())[0]?.id ?? ''], 1);
    const account = await auditSource(parts);
    expect(account).toMatchObject({
      records: 4,
      states: { pending: 1, cancelled: 1, completed: 0, running: 0, failed: 0, expired: 0 },
      rejected: 2,
      reasons: { schema: 1, json: 1 },
      openCount: 0,
      problem: null,
      waitingFiles: 0,
    });
  });

  it('names what was never admitted by key, file, line and byte', async () => {
    const { rig, parts } = await forgetful(inLog(), (text) => text.includes('lost'));
    writeFileSync(join(rig.folder, 'log.ndjson'), '{"id":"a"}\n{"id":"lost"}\n');
    await rig.poll();
    const { open, openCount, records } = await auditSource(parts);
    expect({ openCount, records }).toEqual({ openCount: 1, records: 2 });
    expect(open[0]).toMatchObject({
      key: 'lost',
      path: join(rig.folder, 'log.ndjson'),
      line: 2,
      offset: 11,
      reason: 'never-admitted',
    });
  });

  it('names the file of a folder, and does not do what `after` says', async () => {
    const { rig, parts } = await forgetful(inFolder({ after: 'delete' }), (text) => text.includes('lost'));
    const source = { ...parts.source, after: 'delete' } as SourceConfig;
    for (const id of ['a', 'lost']) writeFileSync(join(rig.folder, `${id}.json`), `{"id":"${id}"}`);
    const keeping = partsOf(rig, { ...source, after: 'keep' } as SourceConfig);
    for (let n = 0; n < 3; n += 1) {
      const { open } = await auditSource({ ...keeping, source });
      expect(open.map(({ path }) => path).sort()).toEqual(
        ['a', 'lost'].map((id) => join(rig.folder, `${id}.json`)),
      );
    }
    expect(['a', 'lost'].every((id) => existsSync(join(rig.folder, `${id}.json`)))).toBe(true);
  });

  it('takes what is being written for what it is, and what has stood broken for long for rejected', async () => {
    const { rig, parts } = await forgetful(inLog({ quarantineAfterMs: 3_600_000 }), nothing);
    const path = join(rig.folder, 'log.ndjson');
    writeFileSync(path, '{"id":1}\n{"id":2');
    await rig.poll();
    expect(await auditSource(parts)).toMatchObject({
      records: 1,
      openCount: 0,
      waitingFiles: 1,
      waitingPath: path,
    });

    const old = await forgetful(inLog({ quarantineAfterMs: 0 }), nothing);
    writeFileSync(join(old.rig.folder, 'log.ndjson'), '{"id":1}\n{"id":2');
    await old.rig.poll();
    await old.rig.poll();
    const account = await auditSource(old.parts);
    expect(account).toMatchObject({
      records: 2,
      rejected: 1,
      reasons: { unfinished: 1 },
      openCount: 0,
      waitingFiles: 0,
    });
  });

  it('finds a change that was not taken, where changes run again', async () => {
    const { rig, parts } = await forgetful(inLog({ onChange: 'rerun' }), (text) => text.includes('new'));
    writeFileSync(join(rig.folder, 'log.ndjson'), '{"id":1,"is":"old"}\n{"id":1,"is":"new"}\n');
    await rig.poll();
    expect((await auditSource(parts)).open).toMatchObject([{ key: '1', reason: 'changed', line: 2 }]);
    expect((await reconcileSource(parts)).queued).toBe(1);
    expect(await rig.payloads()).toEqual([{ id: 1, is: 'new' }]);
  });

  it('takes an earlier version in the same document for no change', async () => {
    const { rig, parts } = await forgetful(inLog({ onChange: 'rerun' }), nothing);
    writeFileSync(join(rig.folder, 'log.ndjson'), '{"id":1,"is":"old"}\n{"id":1,"is":"new"}\n');
    await rig.poll();
    expect(await auditSource(parts)).toMatchObject({ records: 2, openCount: 0, states: { pending: 2 } });
    expect((await reconcileSource(parts)).queued).toBe(0);
  });

  it('of a source that cannot be read says so, and proves nothing', async () => {
    const { parts } = await forgetful((folder) => logSource(join(folder, 'no-such', 'log.ndjson')), nothing);
    const { problem, records } = await auditSource(parts);
    expect(records).toBe(0);
    expect(problem).toContain('is not there');
  });

  it('counts a refusal that stands in no list as open', async () => {
    const { rig, parts } = await forgetful(inLog(), nothing);
    writeFileSync(join(rig.folder, 'log.ndjson'), '{"id":1}\n{"no":"key"}\n');
    // Nobody has polled.
    expect((await auditSource(parts)).open.map(({ reason }) => reason)).toEqual([
      'never-admitted',
      'refused: no-key',
    ]);
    await reconcileSource(parts);
    expect((await rig.store.rejects(null, 10)).map(({ reason }) => reason)).toEqual(['no-key']);
    expect(await auditSource(parts)).toMatchObject({ openCount: 0, rejected: 1 });
  });
});

describe('a reconciliation', () => {
  it('queues what was lost, once; the second one finds nothing', async () => {
    const { rig, parts } = await forgetful(inLog(), (text) => text.includes('lost'));
    writeFileSync(join(rig.folder, 'log.ndjson'), '{"id":"a"}\n{"id":"lost"}\n{"id":"b"}\n');
    await rig.poll();
    expect(await rig.keys()).toEqual(['a', 'b']);
    const first = await reconcileSource(parts);
    expect(first).toMatchObject({ queued: 1, account: { records: 3, openCount: 0 } });
    expect(await rig.keys()).toEqual(['a', 'b', 'lost']);
    expect((await reconcileSource(parts)).queued).toBe(0);
    expect(await rig.keys()).toHaveLength(3);
  });

  it('of records without a key counts copies as the ledger does', async () => {
    let copies = 0;
    const { rig, parts } = await forgetful(
      inLog({ key: null }),
      (text) => text === '{"x":1}' && ++copies === 2,
    );
    const path = join(rig.folder, 'log.ndjson');
    writeFileSync(path, '{"x":1}\n{"x":1}\n{"x":2}\n{"x":1}\n');
    await rig.poll();
    expect(await rig.jobs()).toHaveLength(3);
    expect((await reconcileSource(parts)).queued).toBe(1);
    expect(await rig.jobs()).toHaveLength(4);
    appendFileSync(path, '{"x":2}\n');
    await rig.poll();
    expect(await rig.jobs()).toHaveLength(5);
    expect((await reconcileSource(parts)).queued).toBe(0);
  });

  it('beside a poller of its own that takes the same records queues none twice', async () => {
    const { rig, parts } = await forgetful(inLog(), nothing);
    const lines = Array.from({ length: 3_000 }, (_, id) => `{"id":${id}}\n`).join('');
    writeFileSync(join(rig.folder, 'log.ndjson'), lines);
    await Promise.all([rig.poll(), reconcileSource(parts), reconcileSource(parts)]);
    expect(await rig.jobs()).toHaveLength(3_000);
  });

  it('is what a poller does when it is asked, with what its own polls have missed', async () => {
    const { rig } = await forgetful(inFolder(), (text) => text.includes('lost'));
    for (const id of ['a', 'lost', 'b']) writeFileSync(join(rig.folder, `${id}.json`), `[{"id":"${id}"}]`);
    const done = await rig.poller.reconcile('moved', () => undefined);
    expect(done).toMatchObject({
      name: 'files',
      polled: 2,
      queued: 1,
      account: { records: 3, openCount: 0 },
    });
    // Nothing has moved since.
    expect(await rig.poller.reconcile('moved', () => undefined)).toBeNull();
    writeFileSync(join(rig.folder, 'c.json'), '{"id":"c"}');
    await rig.poll();
    expect(await rig.poller.reconcile('moved', () => undefined)).toMatchObject({
      queued: 0,
      account: { records: 4 },
    });
  });

  it('of a source too large to be read whole every few minutes is left to who asks for it', async () => {
    const { rig } = await forgetful(inFolder(), nothing);
    for (let n = 0; n < 1_001; n += 1) writeFileSync(join(rig.folder, `${n}.json`), `{"id":${n}}`);
    expect(await rig.poller.reconcile('moved', () => undefined)).toBeNull();
    expect(await rig.poller.reconcile('all', () => undefined)).toMatchObject({ polled: 1_001, queued: 0 });
  });

  it('is remembered by its poller with what it could not close, or with why nobody looked', async () => {
    const look = async (changes: object, write: (path: string) => void) => {
      const { rig } = await forgetful(inLog(changes), nothing);
      write(join(rig.folder, 'log.ndjson'));
      expect(rig.poller.status().look).toBeNull();
      await rig.poller.reconcile('moved', () => undefined);
      return rig.poller.status().look;
    };
    const known = { unaccounted: 0, unknown: null };
    const unknown = (why: string) => ({ unaccounted: null, unknown: why });
    expect(await look({}, (path) => writeFileSync(path, '{"id":1}\n'))).toMatchObject(known);
    expect(await look({ network: true }, () => undefined)).toMatchObject(unknown('network'));
    expect(await look({}, () => undefined)).toMatchObject(unknown('missing'));
    expect(await look({}, (path) => writeFileSync(path, ' '.repeat(5 * 1024 * 1024)))).toMatchObject(
      unknown('large'),
    );
    expect(await look({}, (path) => mkdirSync(path))).toMatchObject(unknown('unreadable'));
  });

  it('takes what is written while it looks for no loss', async () => {
    const { rig, parts } = await forgetful(inLog(), nothing);
    const path = join(rig.folder, 'log.ndjson');
    writeFileSync(path, '{"id":"a"}\n');
    let looks = 0;
    const store = {
      admit: (batch: AdmissionBatch) => rig.store.admit(batch),
      knowsRejects: parts.store.knowsRejects.bind(parts.store),
      account: async (...question: Parameters<typeof parts.store.account>) => {
        looks += 1;
        // A writer who goes on and on: each look meets a record that no look before it could have met.
        appendFileSync(path, `{"id":${looks}}\n`);
        return parts.store.account(...question);
      },
    };
    const { account, unaccounted } = await reconcileSource({ ...parts, store });
    expect(account.openCount).toBeGreaterThan(0);
    expect(unaccounted).toBe(0);
    expect(looks).toBeGreaterThan(5);
  });

  it('that failed is tried again, though nothing has moved since', async () => {
    let fails = true;
    const { rig } = await forgetful(inLog(), nothing);
    writeFileSync(join(rig.folder, 'log.ndjson'), '{"id":1}\n');
    const account = rig.store.account.bind(rig.store);
    rig.store.account = (...question) => (fails ? Promise.reject(new Error('locked')) : account(...question));
    await expect(rig.poller.reconcile('moved', () => undefined)).rejects.toThrow('locked');
    expect(rig.poller.status().look).toBeNull();
    fails = false;
    expect(await rig.poller.reconcile('moved', () => undefined)).toMatchObject({ queued: 0 });
  });

  it('changes no file', async () => {
    const { rig, parts } = await forgetful(inLog(), nothing);
    const path = join(rig.folder, 'log.ndjson');
    writeFileSync(path, '{"id":1}\nbroken\n');
    await reconcileSource(parts);
    expect(readFileSync(path, 'utf8')).toBe('{"id":1}\nbroken\n');
  });

  it('once is as good as twice, whatever was missed', async () => {
    const record = fc.record({ id: fc.nat({ max: 12 }), v: fc.nat({ max: 2 }) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(record, { maxLength: 30 }),
        fc.array(fc.boolean(), { minLength: 30, maxLength: 30 }),
        fc.constantFrom('id', null),
        fc.constantFrom('ignore' as const, 'rerun' as const),
        async (records, missed, key, onChange) => {
          let n = 0;
          const { rig, parts } = await forgetful(inLog({ key, onChange }), () => missed[n++ % 30] ?? false);
          const lines = records.map((value) => `${JSON.stringify(value)}\n`).join('');
          writeFileSync(join(rig.folder, 'log.ndjson'), lines);
          await rig.poll();
          const first = await reconcileSource(parts);
          expect(first.account.openCount).toBe(0);
          const jobs = await rig.jobs();
          expect(jobs).toHaveLength(
            key === null ? records.length : new Set(records.map(({ id }) => id)).size,
          );
          if (onChange === 'rerun' && key !== null) {
            const last = new Map(records.map((value) => [value.id, value]));
            expect(new Set((await rig.payloads()).map((value) => JSON.stringify(value)))).toEqual(
              new Set([...last.values()].map((value) => JSON.stringify(value))),
            );
          }
          expect((await reconcileSource(parts)).queued).toBe(0);
          expect(await rig.jobs()).toHaveLength(jobs.length);
        },
      ),
      { numRuns: 40 },
    );
  });
});

it('an audit in a folder that holds nothing is an audit of nothing', async () => {
  const folder = tempFolder();
  const rig = await createRig(inFolder(), { folder, clock: systemClock });
  expect(await auditSource(partsOf(rig, inFolder()(folder)))).toMatchObject({
    records: 0,
    openCount: 0,
    problem: null,
  });
});
