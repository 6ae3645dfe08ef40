import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { workplace } from '../support/dogged.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';

const CONFIG = `
sources:
  far: { log: ./far.ndjson, key: id, network: true, task: go, onChange: rerun, require: { required: [id, x] } }
  drops: { directory: ./drops, key: id, network: true, task: go, after: delete }
  near: { log: ./near.ndjson, key: id, task: go }
tasks: { go: { run: ["true"] } }
`;

function place(environment: NodeJS.ProcessEnv = {}) {
  const folder = tempFolder();
  const here = workplace(folder, environment);
  writeFileSync(join(folder, 'dogged.config.yaml'), CONFIG);
  mkdirSync(join(folder, 'drops'));
  const append = (name: string, ...values: object[]) =>
    appendFileSync(join(folder, name), values.map((value) => `${JSON.stringify(value)}\n`).join(''));
  const completed = () =>
    here
      .json('jobs', '--state', 'completed', '--limit', '10000')
      .map(({ source, key }) => `${source} ${key}`)
      .sort();
  return { folder, here, append, completed };
}

describe('a source on a network mount', () => {
  it('is read in a thread of its own like any other: records, changes, refusals, whole folders', async () => {
    const { folder, here, append, completed } = place();
    append('far.ndjson', { id: 1, x: 'ä' }, { id: 2 }, { id: 3, x: 1 });
    writeFileSync(join(folder, 'drops', 'a.json'), '[{"id":"a"},{"id":"b"}]');
    expect(here.run('worker', '--until-idle').status).toBe(0);
    expect(completed()).toEqual(['drops a', 'drops b', 'far 1', 'far 3']);
    expect(here.json('rejects')).toMatchObject([{ source: 'far', line: 2, reason: 'schema' }]);
    const first = here.json('jobs', '--source', 'far').find(({ key }) => key === '1');
    expect(first.payload).toEqual({ id: 1, x: 'ä' });
    // Another process goes on from the cursor, and a changed record runs again.
    append('far.ndjson', { id: 1, x: 'new' }, { id: 4, x: 2 });
    expect(here.run('worker', '--until-idle').status).toBe(0);
    expect(completed()).toEqual(['drops a', 'drops b', 'far 1', 'far 1', 'far 3', 'far 4']);
    expect(here.json('audit')).toMatchObject([{ ok: true }]);
  });

  it('whose server does not answer holds up nothing else, says so, and goes on when it answers', async () => {
    const folder = tempFolder();
    const dead = join(folder, 'the-server-is-away');
    const { here, append, completed } = place({ DOGGED_FAILPOINT: `mount.look:while:${dead}` });
    writeFileSync(dead, '');
    append('far.ndjson', { id: 1, x: 1 });
    append('near.ndjson', { id: 1 });
    here.run('start');
    await until(() => completed().includes('near 1'));
    const pid = here.workerPid();
    const problem = await until(
      () => here.json('status')[0].sources.find(({ name }: { name: string }) => name === 'far')?.problem,
      { withinMs: 30_000 },
    );
    expect(problem).toMatch(/far\.ndjson: the mount has not answered for [5-9]\S*s: look at its server/);
    append('near.ndjson', { id: 2 });
    await until(() => completed().includes('near 2'));
    expect(completed()).not.toContain('far 1');
    rmSync(dead);
    await until(() => completed().includes('far 1'));
    expect(here.workerPid()).toBe(pid);
  });

  it('whose server does not answer does not keep the worker from stopping', async () => {
    const folder = tempFolder();
    const dead = join(folder, 'the-server-is-away');
    const { here, append, completed } = place({ DOGGED_FAILPOINT: `mount.look:while:${dead}` });
    writeFileSync(dead, '');
    append('near.ndjson', { id: 1 });
    here.run('start');
    await until(() => completed().includes('near 1'));
    const { status, stdout } = here.run('stop', '--timeout', '10s');
    expect(stdout).toContain('Stopped: worker');
    expect(status).toBe(0);
    expect(here.run('logs').stdout).not.toContain('could not be polled');
  });
});
