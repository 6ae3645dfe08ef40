import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DoggedError } from '../../src/job/errors.js';
import type { AdmissionBatch } from '../../src/store/contract.js';
import { createRig, directorySource, logSource, type Rig, type RigOptions } from './rig.js';

const event = (id: number, state: string) => JSON.stringify({ id, state });

async function eventLog(options: RigOptions = {}) {
  const rig = await createRig(
    (folder) => logSource(join(folder, 'events.ndjson'), { onChange: 'rerun' }),
    options,
  );
  const path = join(rig.folder, 'events.ndjson');
  return {
    rig,
    path,
    rewrite(lines: readonly string[]) {
      writeFileSync(`${path}.new`, `${lines.join('\n')}\n`);
      renameSync(`${path}.new`, path);
    },
  };
}

/** Ends everything that waits, and tells what ran. */
async function runAll(rig: Rig): Promise<string[]> {
  const { store } = rig;
  const nowMs = rig.clock.wallMs();
  await store.takeOwnership({ bootId: 'b', pid: 1, startTicks: 1, nonce: 'n' }, nowMs);
  const ran: string[] = [];
  for (;;) {
    const eligible = [{ task: 'work', room: 100 }];
    const { claims } = await store.turn({ ends: [], freeSlots: 100, eligible, nowMs });
    if (claims.length === 0) return ran;
    ran.push(...claims.map(({ payload }) => payload.bytes.toString()));
    const outcome = { kind: 'done', result: null } as const;
    const report = {
      outcome,
      exitCode: 0,
      signal: null,
      stdout: null,
      stderr: null,
      startedAtMs: 1,
      endedAtMs: 2,
    };
    const ends = claims.map((claim) => ({ claim, report, next: { to: 'completed' as const } }));
    await store.turn({ ends, freeSlots: 0, eligible: [], nowMs });
  }
}

describe('a key that stands several times in a document whose changes run again', () => {
  it('runs for its last version only, and no rewrite of the file runs it once more', async () => {
    const { rig, rewrite } = await eventLog();
    rewrite([event(1, 'new'), event(1, 'paid'), event(2, 'new')]);
    await rig.poll();
    expect(await runAll(rig)).toEqual([event(1, 'paid'), event(2, 'new')]);
    for (let n = 10; n < 14; n += 1) {
      rewrite([event(n, 'new'), event(1, 'new'), event(1, 'paid'), event(2, 'new')]);
      await rig.poll();
      expect(await runAll(rig)).toEqual([event(n, 'new')]);
    }
    expect(rig.lines.at(-1)).toContain('1 queued, 2 already done, 1 older than the known version');
  });

  it('runs when the last of its versions changed, for that one, also back to a former one', async () => {
    const { rig, rewrite } = await eventLog();
    rewrite([event(1, 'off')]);
    await rig.poll();
    expect(await runAll(rig)).toEqual([event(1, 'off')]);
    for (const last of ['on', 'off']) {
      rewrite([event(9, 'x'), event(1, 'dim'), event(1, last)]);
      await rig.poll();
      expect((await runAll(rig)).filter((text) => text !== event(9, 'x'))).toEqual([event(1, last)]);
    }
  });

  it('is not lost when the reading breaks off before its end, and still runs once', async () => {
    let failing = false;
    const { rig, rewrite } = await eventLog({
      wrapStore: (store) => ({
        cursors: (scope) => store.cursors(scope),
        async admit(batch: AdmissionBatch) {
          // What was held comes last, with the cursor.
          if (failing && batch.cursors.length > 0) {
            throw new DoggedError('STORE_BUSY', { file: 'dogged.db', waitedMs: 50 });
          }
          return store.admit(batch);
        },
      }),
    });
    const many = Array.from({ length: 3_000 }, (_, i) => event(100 + i, 'new'));
    rewrite([event(1, 'new'), ...many]);
    await rig.poll();
    await runAll(rig);
    rewrite([event(50, 'first'), event(1, 'paid'), ...many]);
    failing = true;
    await rig.poll();
    expect(await runAll(rig)).toEqual([event(50, 'first')]);
    failing = false;
    await rig.poll();
    expect(await runAll(rig)).toEqual([event(1, 'paid')]);
    expect(await rig.poll()).toBe(true);
    expect(await runAll(rig)).toEqual([]);
  });

  it('runs at once for each version that is appended', async () => {
    const { rig, rewrite } = await eventLog();
    const lines = [event(1, 'new')];
    for (const state of ['paid', 'sent', 'new']) {
      rewrite(lines);
      await rig.poll();
      await runAll(rig);
      lines.push(event(1, state));
    }
    rewrite(lines);
    await rig.poll();
    expect(await runAll(rig)).toEqual([event(1, 'new')]);
  });

  it('is treated so in a file of a folder, too', async () => {
    const rig = await createRig((folder) => directorySource(folder, { onChange: 'rerun' }));
    const write = (...events: string[]) => {
      writeFileSync(join(rig.folder, '.a.tmp'), `[${events.join(',')}]`);
      renameSync(join(rig.folder, '.a.tmp'), join(rig.folder, 'a.json'));
    };
    write(event(1, 'new'), event(1, 'paid'));
    await rig.poll();
    expect(await runAll(rig)).toEqual([event(1, 'paid')]);
    write(event(1, 'new'), event(1, 'paid'), event(2, 'new'));
    await rig.poll();
    expect(await runAll(rig)).toEqual([event(2, 'new')]);
  });
});
