import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createRig, directorySource, logSource, type Rig } from './rig.js';

const MB = 1024 * 1024;

/** A source whose figures are noted with each admission. */
async function watched(
  makeSource: Parameters<typeof createRig>[0],
  onAdmit: (rig: Rig) => void,
): Promise<Rig> {
  const rig: Rig = await createRig(makeSource, {
    wrapStore: (store) => ({
      cursors: (scope) => store.cursors(scope),
      admit(batch) {
        onAdmit(rig);
        return store.admit(batch);
      },
    }),
  });
  return rig;
}

describe('the progress of a source', () => {
  it('is told in bytes while a large log is read, and is gone afterwards', async () => {
    const seen: { done: number; total: number }[] = [];
    const rig = await watched(
      (folder) => logSource(join(folder, 'log.ndjson')),
      ({ poller }) => {
        const { reading } = poller.status();
        if (reading !== null) seen.push(reading);
      },
    );
    const pad = 'x'.repeat(2_000);
    const lines = Array.from({ length: 5_000 }, (_, id) => `${JSON.stringify({ id, pad })}\n`).join('');
    writeFileSync(join(rig.folder, 'log.ndjson'), lines);
    expect(await rig.poll()).toBe(true);
    expect(seen.length).toBeGreaterThan(2);
    expect(new Set(seen.map(({ total }) => total))).toEqual(new Set([lines.length]));
    const done = seen.map((progress) => progress.done);
    expect(done).toEqual([...done].sort((a, b) => a - b));
    expect(done.at(-1)).toBeGreaterThan(done[0] ?? 0);
    expect(rig.poller.status().reading).toBeNull();
    seen.length = 0;
    appendFileSync(join(rig.folder, 'log.ndjson'), '{"id":"one more"}\n');
    await rig.poll();
    expect(seen).toEqual([]);
    expect(lines.length).toBeGreaterThan(4 * MB);
  });

  it('is told in files while a large folder is read', async () => {
    const seen: unknown[] = [];
    const rig = await watched(
      (folder) => directorySource(folder),
      ({ poller }) => {
        const { reading } = poller.status();
        if (reading !== null) seen.push(reading);
      },
    );
    for (let n = 0; n < 2_500; n += 1) writeFileSync(join(rig.folder, `${n}.json`), `{"id":${n}}`);
    await rig.poll();
    expect(seen.length).toBeGreaterThan(1);
    expect(seen[0]).toMatchObject({ unit: 'files', total: 2_500 });
    expect(rig.poller.status().reading).toBeNull();
    expect(await rig.jobs()).toHaveLength(2_500);
  });

  it('counts as polling, so that nobody takes a worker for hung that reads for minutes', async () => {
    const counts: number[] = [];
    const rig = await watched(
      (folder) => logSource(join(folder, 'log.ndjson')),
      ({ poller, clock }) => {
        void clock.advance(11_000);
        counts.push(poller.polls);
      },
    );
    const lines = Array.from({ length: 4_000 }, (_, id) => `{"id":${id}}\n`).join('');
    writeFileSync(join(rig.folder, 'log.ndjson'), lines);
    await rig.poll();
    expect(counts.at(-1)).toBeGreaterThan(1);
    expect(rig.poller.polls).toBeGreaterThan(counts.at(-1) ?? 0);
  });
});
