import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Workplace, workplace } from '../support/dogged.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';

/* Shows a few seconds long, in real time: the real worker, real children, plans that change around each boundary. */

const CONFIG = `
poll: 200ms
slots: 4
sources:
  playout: { schedule: ./schedule.json, task: play, stopAtEnd: true }
  chime: { every: "* * * * * *", task: chime, payload: { sound: bell } }
tasks:
  play: { run: [sh, -c, 'echo "$DOGGED_KEY $(date +%s%3N)" >> played; exec sleep 60'] }
  chime: { run: [sh, -c, 'cat >> chimes'] }
`;

interface Job {
  readonly key: string;
  readonly state: string;
  readonly reason: string | null;
  readonly lateByMs: number | null;
}

function station(): Workplace & {
  plan(shows: readonly object[]): void;
  read(name: string): string;
  jobs(): Job[];
} {
  const folder = tempFolder();
  writeFileSync(join(folder, 'dogged.config.yaml'), CONFIG);
  const place = workplace(folder, { DOGGED__POLL: undefined, DOGGED__HEARTBEAT: undefined });
  return {
    ...place,
    plan(shows) {
      writeFileSync(join(folder, 'schedule.json.tmp'), JSON.stringify(shows));
      renameSync(join(folder, 'schedule.json.tmp'), join(folder, 'schedule.json'));
    },
    read: (name) => readFileSync(join(folder, name), 'utf8'),
    jobs: () =>
      place
        .run('jobs', '--source', 'playout', '--json')
        .stdout.trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Job)
        .reverse(),
  };
}

test('shows of three seconds follow each other as planned, one that comes late starts late, and one is withdrawn', async () => {
  const place = station();
  place.plan([]);
  place.run('start');
  const t0 = Date.now() + 3_000;
  const show = (id: string, fromMs: number, toMs: number) => ({
    id,
    start: new Date(t0 + fromMs).toISOString(),
    end: new Date(t0 + toMs).toISOString(),
  });
  const plan = [show('one', 0, 3_000), show('two', 3_000, 6_000), show('never', 60_000, 63_000)];
  place.plan(plan);
  try {
    await until(() => Date.now() >= t0 + 2_500, { withinMs: 20_000 });
    // Between two boundaries: one is dropped, one has begun already, and "two" is still to come.
    place.plan([...plan.slice(0, 2), show('late', 1_000, 8_000)]);
    await until(() => Date.now() >= t0 + 3_300, { withinMs: 5_000 });
    place.plan([...plan.slice(0, 2), show('late', 1_000, 8_000)].map((one) => ({ ...one, title: 'other' })));
    await until(() => place.jobs().every(({ state }) => state !== 'pending' && state !== 'running'), {
      withinMs: 20_000,
      describe: () => JSON.stringify(place.jobs()),
    });
    const jobs = place.jobs();
    const of = (key: string) => jobs.find((job) => job.key === key);
    for (const key of ['one', 'two', 'late']) {
      expect(of(key)).toMatchObject({ state: 'completed', reason: 'stopped at the end of its window' });
    }
    expect(of('never')).toMatchObject({ state: 'cancelled', reason: 'withdrawn: its plan no longer has it' });
    expect(of('one')?.lateByMs).toBeLessThan(1_000);
    expect(of('two')?.lateByMs).toBeLessThan(1_000);
    expect(of('late')?.lateByMs).toBeGreaterThan(1_000);
    // Each ran once, although a new version of each was brought while it ran.
    const played = place.read('played').trim().split('\n');
    expect(played.map((line) => line.split(' ')[0]).sort()).toEqual(['late', 'one', 'two']);
    // Every second meanwhile, handed what the config says.
    const chimes = place.read('chimes').trim().split('\n');
    expect(chimes.length).toBeGreaterThanOrEqual(8);
    expect(new Set(chimes)).toEqual(new Set(['{"sound":"bell"}']));
  } finally {
    place.run('stop');
  }
}, 60_000);

test('jobs of repeating records stay the same jobs over a restart and a kill, on a network mount as well', async () => {
  const folder = tempFolder();
  const sources = `
sources:
  near: { schedule: ./plan.json, task: play }
  far: { schedule: ./plan.json, task: play, network: true }
tasks: { play: { run: [cat] } }
`;
  writeFileSync(join(folder, 'dogged.config.yaml'), sources);
  const plan = [{ id: 'yearly', every: '0 0 1 1 *' }, show('once', '2999-01-01T00:00:00Z')];
  writeFileSync(join(folder, 'plan.json'), JSON.stringify(plan));
  const place = workplace(folder);
  const standing = () =>
    place.json('jobs').map(({ id, source, key, state }) => `${id} ${source} ${key.split('@')[0]} ${state}`);
  place.run('start');
  try {
    const before = await until(() => (standing().length === 4 ? standing() : null), { withinMs: 20_000 });
    expect(before.every((job) => job.endsWith('pending'))).toBe(true);
    place.run('restart');
    await untilRead(place);
    expect(standing()).toEqual(before);
    const pid = place.workerPid();
    process.kill(pid, 'SIGKILL');
    await until(() => place.workerPid() !== pid, { withinMs: 30_000 });
    await untilRead(place);
    expect(standing()).toEqual(before);
    expect(place.run('logs').stdout).not.toMatch(/withdrawn|no poll had admitted/);
  } finally {
    place.run('stop');
  }
}, 90_000);

function show(id: string, start: string): object {
  return { id, start };
}

/** Both sources were polled by the worker that runs now. */
async function untilRead(place: Workplace): Promise<void> {
  await until(
    () => {
      const [{ worker, sources }] = place.json('status');
      const isPolled = ({ lastPollMs }: { lastPollMs: number | null }) => lastPollMs !== null;
      return worker.pid === place.workerPid() && sources.length === 2 && sources.every(isPolled);
    },
    { withinMs: 20_000, describe: () => JSON.stringify(place.json('status')) },
  );
}
