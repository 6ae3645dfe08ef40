import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { BreakerMove } from '../../src/store/breaker-contract.js';
import type { Store } from '../../src/store/engine.js';
import { textWidth } from '../../src/view/text-width.js';
import { admit, claimOne, end, turn } from '../conformance/given.js';
import { workplace } from '../support/dogged.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';
import { type Bench, bench } from './in-process.js';

const HOSTILE = '\x1b[2J\u202eevil\nname 漢字';
const MINUTE_MS = 60_000;

/** A store as a worker owns it, on the real clock: screens tell how long ago things were. */
async function owned(place: Bench): Promise<Store> {
  const store = await place.store('worker');
  await store.takeOwnership({ bootId: 'b', pid: 1, startTicks: 1, nonce: 'n' }, Date.now());
  await store.configureTasks(
    ['default'],
    ['build', 'slow'].map((task) => ({ task, groupLimit: null, maxAttempts: 3, breaker: 'model' })),
  );
  return store;
}

const opened = (cause = 'exit 69: refused', leftMs = 30_500): BreakerMove => ({
  dependency: 'model',
  to: 'opened',
  sinceMs: Date.now() - 12 * MINUTE_MS,
  retryAtMs: Date.now() + leftMs,
  cause,
});
const closed: BreakerMove = { dependency: 'model', to: 'closed', evidence: 'job 17 completed', triedJobs: 0 };
const move = (store: Store, ...breakers: BreakerMove[]) =>
  turn(store, { breakers, freeSlots: 0, nowMs: Date.now() });

describe('outages', () => {
  test('says that there was none, and is empty as JSON', async () => {
    const place = bench();
    await owned(place);
    expect((await place.run('outages')).stdout).toBe('No outage.\n');
    expect(await place.json('outages')).toEqual([]);
  });

  test('where nothing has run yet says so', async () => {
    expect(await bench().run('outages')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('nothing has run'),
    });
  });

  test('tells of an ongoing one all that matters: why, since when, what waits, when it is tried', async () => {
    const place = bench();
    const store = await owned(place);
    await admit(store, [{ key: 'a' }, { key: 'b', task: 'slow' }]);
    await move(store, opened());
    const failure = {
      dependency: 'model',
      to: 'reopened',
      retryAtMs: Date.now() + 20_500,
      failure: 'probe exit 7',
    } as const;
    await move(store, failure);
    const { stdout } = await place.run('outages');
    expect(stdout.replace(/\d{4}-\S+/, 'WHEN').split('\n')).toEqual([
      '#1  model  ongoing for 12m, since WHEN',
      '    why:   exit 69: refused',
      '    held:  2 jobs wait',
      '    next:  next try in 20s',
      '    last:  probe exit 7',
      '',
      '1 outage, 1 ongoing',
      '',
    ]);
  });

  test('tells of one that is over how that is known, and what it cost with the command that mends it', async () => {
    const place = bench();
    const store = await owned(place);
    await admit(store, [{ key: 'a' }, { key: 'b' }]);
    await move(store, opened());
    const claim = await claimOne(store);
    await turn(store, {
      ends: [end(claim, { to: 'failed', reason: 'exit 1' })],
      breakers: [{ dependency: 'model', to: 'cost', job: claim.id, attempt: claim.attempt }, closed],
      freeSlots: 0,
      nowMs: Date.now(),
    });
    const { stdout } = await place.run('outages');
    expect(stdout).toMatch(/^#1 {2}model {2}closed after 12m, \S+Z to \S+Z$/m);
    expect(stdout).toContain('    held:  1 job waited for it\n    over:  job 17 completed\n');
    expect(stdout).toMatch(/^ {4}cost: {2}1 job failed for good meanwhile: dogged retry -c \S+ --outage 1$/m);
  });

  test('gives exactly the promised fields, one line each, the ongoing first', async () => {
    const place = bench();
    const store = await owned(place);
    await move(store, opened(), closed, opened());
    const [ongoing, past, ...more] = await place.json('outages');
    expect(more).toEqual([]);
    const iso = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    const same = { dependency: 'model', since: iso, cause: 'exit 69: refused', held: 0 };
    expect(ongoing).toEqual({ id: '2', state: 'ongoing', until: null, evidence: null, ...same });
    expect(past).toEqual({ id: '1', state: 'closed', until: iso, evidence: 'job 17 completed', ...same });
    expect(Object.keys(past)).toEqual([
      'id',
      'dependency',
      'state',
      'since',
      'until',
      'cause',
      'held',
      'evidence',
    ]);
    const limited = await place.run('outages', '--limit', '1');
    expect(limited.stderr).toContain('there may be more: --limit N');
    expect(limited.stdout).toContain('1 outage, 1 ongoing');
  });

  test('is not fooled by what a program has printed', async () => {
    const place = bench();
    await move(await owned(place), opened(HOSTILE));
    for (const command of [['outages'], ['status'], ['queue', '--once'], ['health']]) {
      const { stdout } = await place.run(...command);
      expect(stdout, command[0]).toContain('evil\\nname');
      expect(stdout, command[0]).not.toMatch(/[\x00-\x09\x0b-\x1f\u202e]/);
    }
  });
});

describe('an ongoing outage', () => {
  test('is on every screen, and in their JSON in the shape of outages --json', async () => {
    const place = bench();
    const store = await owned(place);
    await admit(store, [{ key: 'a' }, { key: 'b' }]);
    await move(store, opened(`exit 69: ${'x'.repeat(300)}`));
    for (const command of [['status'], ['queue', '--once']]) {
      const { stdout } = await place.run(...command);
      expect(stdout).toContain(
        'What is away\n⚡ model is away for 12m · 2 jobs wait · next try in 30s: exit 69: xxx',
      );
      expect(stdout).toContain('2 jobs of build: its program or dependency is away\n');
      for (const line of stdout.split('\n')) expect(textWidth(line)).toBeLessThanOrEqual(120);
      const [json] = await place.json(...command);
      expect(json.outages).toEqual(await place.json('outages'));
      expect(json.waiting).toEqual([{ task: 'build', reason: 'breaker', jobs: 2 }]);
    }
    await move(store, closed);
    expect((await place.json('status'))[0].outages).toEqual([]);
    expect((await place.run('status')).stdout).not.toContain('What is away');
  });

  test('whose cool-down is over is decided by the next try, whoever asks', async () => {
    const place = bench();
    await move(await owned(place), opened('exit 69', -1));
    expect((await place.run('outages')).stdout).toContain('next:  the next try decides');
    expect((await place.run('status')).stdout).toContain('no job waits · the next try decides: exit 69');
  });

  test('is a warning with its remedy for health', async () => {
    const place = bench();
    await move(await owned(place), opened());
    const [{ checks }] = await place.json('health', '--diagnose');
    const found = checks.find(({ name }: { name: string }) => name === 'breaker:model');
    expect(found).toMatchObject({
      status: 'warning',
      text: 'away for 12m, no job waits, next try in 30s; it began with: exit 69: refused',
      remedy: `dogged outages -c ${place.configFile}`,
    });
  });
});

describe('retry --outage', () => {
  test('drives the jobs that it cost, in batches; a second time finds none', async () => {
    const place = bench();
    const store = await owned(place);
    const keys = Array.from({ length: 1_200 }, (_, n) => ({ key: `k${n}` }));
    await admit(store, [...keys, { key: 'own fault', task: 'slow' }]);
    await move(store, opened());
    const { claims } = await turn(store, {
      freeSlots: 1_201,
      eligible: ['build', 'slow'].map((task) => ({ task, room: 1_200 })),
    });
    await turn(store, {
      ends: claims.map((claim) => end(claim, { to: 'failed', reason: 'exit 1' })),
      breakers: [
        ...claims
          .filter(({ task }) => task === 'build')
          .map(({ id, attempt }) => ({ dependency: 'model', to: 'cost', job: id, attempt }) as const),
        closed,
      ],
      freeSlots: 0,
    });
    expect((await place.run('retry', '--outage', '1')).stdout).toBe('1,200 jobs queued again\n');
    expect(await place.json('retry', '--outage', '1')).toEqual([{ queued: 0, refused: [] }]);
    expect((await store.counts()).total).toMatchObject({ ready: 1_200, failed: 1 });
  });

  test('refuses one that is not there', async () => {
    const place = bench();
    await owned(place);
    for (const id of ['7', 'nonsense']) {
      expect(await place.run('retry', '--outage', id)).toMatchObject({
        code: 1,
        stderr: expect.stringContaining(`There is no outage ${id}.`),
      });
    }
  });
});

describe('the built program', () => {
  test('tells an outage from its beginning to its end, over a restart, and loses no job', async () => {
    const folder = tempFolder();
    writeFileSync(
      join(folder, 'dogged.config.yaml'),
      `tasks:
  work:
    run: [sh, -c, "cat > /dev/null; [ -e up ] || { echo no model >&2; exit 69; }"]
    retry: { attempts: 1, backoff: 10ms..20ms }
    dependency: model
    breaker: { after: 3, cooldown: 300ms, probe: [test, -e, up] }
`,
    );
    const place = workplace(folder);
    for (let n = 0; n < 5; n += 1) place.run('add', 'work');
    expect(place.run('start').status).toBe(0);
    const [ongoing] = await until(() => {
      const found = place.json('outages');
      return found.length > 0 ? found : null;
    });
    expect(ongoing).toMatchObject({
      dependency: 'model',
      state: 'ongoing',
      cause: 'exit 69 (a service that it needs is away): no model',
      held: 5,
    });
    expect(place.json('status')[0].outages).toMatchObject([{ id: ongoing.id, state: 'ongoing' }]);
    expect(place.json('jobs').map(({ waitingFor }) => waitingFor)).toEqual(Array(5).fill('breaker'));
    await until(() => {
      const beat = JSON.parse(readState(folder, 'heartbeat.json'));
      return beat.waiting.some(
        ({ reason, jobs }: { reason: string; jobs: number }) => reason === 'breaker' && jobs === 5,
      );
    });
    expect(place.run('health').stdout).toMatch(/⚠️ Breaker model +away for .*no model.*: dogged outages/);

    expect(place.run('restart').status).toBe(0);
    expect(place.json('outages')).toMatchObject([{ id: ongoing.id, state: 'ongoing', since: ongoing.since }]);
    writeFileSync(join(folder, 'up'), '');
    await until(() => place.json('jobs', '--state', 'completed').length === 5);
    expect(place.json('outages')).toMatchObject([
      { id: ongoing.id, state: 'closed', since: ongoing.since, evidence: 'probe exit 0' },
    ]);
    rmSync(join(folder, 'up'));
    expect(place.json('status')[0].outages).toEqual([]);
  });
});

function readState(folder: string, name: string): string {
  return readFileSync(join(folder, 'state', name), 'utf8');
}
