import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { TaskConfig } from '../../src/config/config.js';
import { systemClock } from '../../src/platform/clock.js';
import { readProcessStat } from '../../src/platform/process-identity.js';
import { openStore } from '../../src/store/open.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';
import { admitJob, commandTask, createRig, FIXTURES, type Rig } from './rig.js';
import { startWorkerProcess } from './worker-process.js';

/** Does its work at once and then never ends, the first time. */
const WORK = 'cat > work-$DOGGED_ATTEMPT; [ "$DOGGED_ATTEMPT" -gt 1 ] || sleep 60';

function workTask(verify: readonly string[] | null, more: Partial<TaskConfig> = {}): TaskConfig {
  return commandTask('work', ['sh', '-c', WORK], { verify, ...more });
}

/** A job whose worker is killed in the middle of its first attempt. */
async function killedInTheMiddle(folder: string, payload: unknown = { n: 1 }): Promise<string> {
  const store = await openStore(join(folder, 'state'), 'command', systemClock);
  const id = await admitJob(store, 'work', payload, { maxAttempts: 3 });
  await store.close();
  const worker = await startWorkerProcess(folder, [workTask(null)]);
  await until(() => readFileSync(join(folder, 'work-1'), 'utf8').endsWith('\n'));
  worker.process.kill('SIGKILL');
  await worker.ended;
  return id;
}

async function rescued(folder: string, tasks: readonly TaskConfig[], slots = 2): Promise<Rig> {
  const rig = await createRig({ tasks, folder, slots });
  await rig.dispatcher.rescue();
  rig.dispatcher.start();
  return rig;
}

function isAlive(pid: number): boolean {
  const stat = readProcessStat(pid);
  return stat !== null && stat.state !== 'Z';
}

test('exit 0 says that the work was done: it is completed with that reason, and never run again', async () => {
  const folder = tempFolder();
  const id = await killedInTheMiddle(folder);
  const rig = await rescued(folder, [workTask(['sh', '-c', 'echo looked; test -s work-1'])]);
  const job = await rig.until(id, 'completed');
  expect(job).toMatchObject({ attempts: 1, charged: 0, crashes: 0, exitCode: null });
  expect(job.reason).toBe(
    "its worker died while it ran; its task's verify command says that the work was done",
  );
  expect(await rig.attempts(id)).toMatchObject([{ outcome: 'verified', stdout: 'looked\n' }]);
  await until(() => rig.dispatcher.drained());
  expect(existsSync(join(folder, 'work-2'))).toBe(false);
  expect(rig.logged()).toContain(`Completed ${id}: its worker died`);
});

test('it is told what the handler was told: the same job, attempt and payload, in the same folder', async () => {
  const folder = tempFolder();
  const id = await killedInTheMiddle(folder, { title: 'héllo', n: 1 });
  const show = 'cat > payload; env | grep ^DOGGED_ | sort > environment; pwd > folder';
  const rig = await rescued(folder, [workTask(['sh', '-c', show])]);
  const { key } = await rig.until(id, 'completed');
  expect(rig.read('payload')).toBe('{"title":"héllo","n":1}\n');
  const environment = rig.read('environment').split('\n');
  for (const line of [`JOB_ID=${id}`, `KEY=${key}`, 'TASK=work', 'ATTEMPT=1', 'WORKSPACE=default'])
    expect(environment).toContain(`DOGGED_${line}`);
  expect(rig.read('folder').trim()).toBe(folder);
});

test.each([
  ['exits with 1', ['sh', '-c', 'echo not there >&2; exit 1'], 'verify: exit 1: not there'],
  ['exits with 65', ['sh', '-c', 'exit 65'], 'verify: exit 65'],
  ['cannot be started', ['/nonexistent/verify'], '/nonexistent/verify'],
  ['is killed', ['sh', '-c', 'kill -KILL $$'], 'verify: killed by SIGKILL'],
])('one that %s leaves the attempt crashed: the job is run again', async (_name, verify, why) => {
  const folder = tempFolder();
  const id = await killedInTheMiddle(folder);
  const rig = await rescued(folder, [workTask(verify)]);
  expect(await rig.until(id, 'completed')).toMatchObject({ attempts: 2, charged: 0, crashes: 1 });
  const [crashed, done] = await rig.attempts(id);
  expect([crashed?.outcome, done?.outcome]).toEqual(['crashed', 'done']);
  expect(crashed?.reason).toContain(why);
  expect(existsSync(join(folder, 'work-2'))).toBe(true);
});

test('one that hangs is ended with all that it started, and its job is run again', async () => {
  const folder = tempFolder();
  const id = await killedInTheMiddle(folder);
  const task = workTask([`${FIXTURES}/family`, 'wait'], { timeoutMs: 1_000, killGraceMs: 50 });
  const rig = await rescued(folder, [task]);
  expect(await rig.until(id, 'completed')).toMatchObject({ attempts: 2, crashes: 1 });
  expect((await rig.attempts(id))[0]?.reason).toContain('longer than its time-out');
  const family = rig.read('state/family').trim().split('\n').map(Number);
  expect(family).toHaveLength(3);
  expect(family.filter(isAlive)).toEqual([]);
});

test('what one leaves behind in the background is swept, also after exit 0', async () => {
  const folder = tempFolder();
  const id = await killedInTheMiddle(folder);
  const rig = await rescued(folder, [workTask([`${FIXTURES}/family`, '0'])]);
  await rig.until(id, 'completed');
  const family = rig.read('state/family').trim().split('\n').map(Number);
  expect(family).toHaveLength(3);
  await until(() => family.filter(isAlive).length === 0);
});

test('only its own job waits for the answer, in its slot; the rescue and all others go on', async () => {
  const folder = tempFolder();
  const id = await killedInTheMiddle(folder);
  const held = ['sh', '-c', 'touch asked; while ! [ -e go ]; do sleep 0.02; done'];
  const other = commandTask('other', ['true']);
  const rig = await rescued(folder, [workTask(held), other], 2);
  await until(() => existsSync(join(folder, 'asked')));
  const more = await rig.add('other');
  await rig.until(more, 'completed');
  expect(await rig.job(id)).toMatchObject({ place: 'running', attempts: 1 });
  expect(rig.dispatcher.status()).toMatchObject({ freeSlots: 1, slots: [{ job: id }, { state: 'idle' }] });
  expect(rig.dispatcher.drained()).toBe(false);
  rig.write('go', '');
  expect(await rig.until(id, 'completed')).toMatchObject({ attempts: 1 });
  await until(() => rig.dispatcher.status().freeSlots === 2);
});

test('a worker that stops or dies in the middle of the question leaves it open for the next one', async () => {
  const folder = tempFolder();
  const id = await killedInTheMiddle(folder);
  const asks = 'echo x >> asked; [ -e go ] || sleep 60';
  const asking = workTask(['sh', '-c', asks]);
  const askedTimes = () =>
    existsSync(join(folder, 'asked')) ? readFileSync(join(folder, 'asked'), 'utf8').length / 2 : 0;
  const dying = await startWorkerProcess(folder, [asking]);
  await until(() => askedTimes() === 1);
  dying.process.kill('SIGKILL');
  await dying.ended;

  const stopping = await rescued(folder, [asking]);
  await until(() => askedTimes() === 2);
  expect(await stopping.dispatcher.stop(1)).toEqual([]);
  expect(await stopping.job(id)).toMatchObject({ place: 'running', attempts: 1, crashes: 0 });

  const last = await rescued(folder, [workTask(['true'])]);
  expect(await last.until(id, 'completed')).toMatchObject({ attempts: 1 });
  expect(existsSync(join(folder, 'work-2'))).toBe(false);
});

test('a cancel that came before the crash stands, unless the work was done', async () => {
  for (const [verify, state] of [
    ['false', 'cancelled'],
    ['true', 'completed'],
  ] as const) {
    const folder = tempFolder();
    const id = await killedInTheMiddle(folder);
    const rig = await createRig({ tasks: [workTask([verify])], folder });
    expect(await rig.store.cancel('default', [id], systemClock.wallMs())).toEqual(['requested']);
    await rig.dispatcher.rescue();
    rig.dispatcher.start();
    expect(await rig.until(id, state)).toMatchObject({ attempts: 1 });
  }
});
