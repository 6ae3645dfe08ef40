import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { builtCli } from '../support/built-program.js';
import { workplace } from '../support/dogged.js';
import { tempFolder } from '../support/temp-folder.js';

/*
 * The log said "8 gaps found, 0 enqueued", for days. All eight lacked a field that the gate asked for, and the gate said
 * nothing. Here every record that is not queued is counted under a named reason, wherever the count is shown.
 */

interface Gap {
  readonly title: string;
  readonly channel?: string;
}

const GAPS: readonly Gap[] = Array.from({ length: 8 }, (_, n) => ({ title: `gap ${n + 1}` }));

describe('the old logic, in small', () => {
  test('counts what it found and what it queued, and has no word for what lies between', () => {
    const log: string[] = [];
    const queue: Gap[] = [];
    for (const gap of GAPS) if (gap.channel !== undefined) queue.push(gap);
    log.push(`${GAPS.length} gaps found, ${queue.length} enqueued`);
    expect(log).toEqual(['8 gaps found, 0 enqueued']);
    expect(log.join()).not.toContain('channel');
  });
});

describe('now', () => {
  const CONFIG = `
sources:
  gaps: { log: ./gaps.json, key: title, task: fill, require: { type: object, required: [title, channel] } }
tasks:
  fill: { run: ["true"] }
`;

  function project(records: readonly object[]) {
    const folder = tempFolder();
    writeFileSync(join(folder, 'dogged.config.yaml'), CONFIG);
    writeFileSync(join(folder, 'gaps.json'), JSON.stringify(records));
    return workplace(folder);
  }

  /** One round of work, with what it said. */
  function work(folder: string): string {
    const { stderr } = spawnSync(process.execPath, [builtCli(), 'worker', '--until-idle'], {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, DOGGED__POLL: '50ms' },
    });
    return stderr;
  }

  test('each of the eight is counted under its reason: in the log, the rejects, the status and the diagnosis', () => {
    const place = project(GAPS);
    const log = work(place.folder);
    expect(log).toContain('8 rejected (schema 8)');
    expect(log).toContain('dogged rejects --source gaps');
    const rejects = place.json('rejects');
    expect(rejects.map(({ key }) => key).sort()).toEqual(GAPS.map(({ title }) => title));
    for (const { reason, remedy } of rejects) expect([reason, remedy]).toEqual(['schema', 'add "channel"']);
    expect(place.json('status')[0].sources).toMatchObject([{ name: 'gaps', rejected: 8 }]);
    expect(place.run('status').stdout).toMatch(/gaps +0 +8/);
    const source = place
      .json('health')[0]
      .checks.find(({ name }: { name: string }) => name === 'source:gaps');
    expect(source).toMatchObject({ status: 'warning', remedy: expect.stringContaining('dogged rejects') });
    expect(source.text).toContain('8 rejected');
  });

  test('what was found adds up: queued, known, changed and refused are each named, and nothing is left over', () => {
    const good = (n: number, text = '') => ({ title: `gap ${n}`, channel: 'one', text });
    const place = project([good(1), good(2), good(3)]);
    expect(work(place.folder)).toContain('3 queued');
    const later = [
      good(1),
      good(2, 'edited'),
      good(3),
      good(4),
      { title: 'gap 5' },
      { title: 'gap 6' },
      { channel: 'one' },
    ];
    writeFileSync(join(place.folder, 'gaps.json'), JSON.stringify(later));
    const log = work(place.folder);
    const [, seen] = /"seen":(\d+)/.exec(log) ?? [];
    expect(Number(seen)).toBe(later.length);
    expect(log).toContain('1 queued, 2 already done, 1 changed but ignored (onChange: ignore), 3 rejected (');
    expect(place.json('rejects')).toHaveLength(3);
  });
});
