import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readProcessStat } from '../../src/platform/process-identity.js';
import { builtCli } from '../support/built-program.js';
import { type Workplace, workplace } from '../support/dogged.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';

/** One slot: the first job holds it until somebody says go, the second one waits behind it. */
const HANDLER = `#!/bin/sh
echo "$$" >> pids
echo "$DOGGED_KEY begun" >> story
while ! [ -e go ]; do sleep 0.02; done
echo "$DOGGED_KEY ended" >> story
`;
const CONFIG = (grace: string) => `
slots: 1
poll: 50ms
shutdownGrace: ${grace}
tasks: { held: { run: [sh, held.sh], killGrace: 200ms } }
`;

interface Stage {
  readonly place: Workplace;
  readonly worker: ChildProcess;
  readonly ended: Promise<number | null>;
  said(): string;
  story(): string;
  go(): void;
}

/** The real worker in the foreground, with one job running and one that waits. */
async function stage(grace: string): Promise<Stage> {
  const folder = tempFolder();
  const place = workplace(folder);
  writeFileSync(join(folder, 'dogged.config.yaml'), CONFIG(grace));
  writeFileSync(join(folder, 'held.sh'), HANDLER);
  const worker = spawn(process.execPath, [builtCli(), 'worker'], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  onTestFinished(() => void worker.kill('SIGKILL'));
  const ended = once(worker, 'exit').then(([code]) => code as number | null);
  for (const key of ['first', 'second']) place.run('add', 'held', '--key', key);
  const file = (name: string) =>
    existsSync(join(folder, name)) ? readFileSync(join(folder, name), 'utf8') : '';
  await until(() => file('story') === 'first begun\n');
  return {
    place,
    worker,
    ended,
    said: () => place.run('logs').stdout,
    story: () => file('story'),
    go: () => writeFileSync(join(folder, 'go'), ''),
  };
}

const states = ({ place }: Stage) =>
  Object.fromEntries(place.json('jobs').map(({ key, state, attempts }) => [key, `${state} ${attempts}`]));

function handlerIsGone({ place }: Stage): boolean {
  const [pid = ''] = readFileSync(join(place.folder, 'pids'), 'utf8').split('\n');
  return readProcessStat(Number(pid)) === null;
}

describe('a worker that is told to stop', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'by %s takes no further job, lets the running one end, and exits with 0',
    async (signal) => {
      const here = await stage('30s');
      here.worker.kill(signal);
      await until(() => here.said().includes('stopping: no new jobs are taken'));
      here.go();
      expect(await here.ended).toBe(0);
      expect(here.story()).toBe('first begun\nfirst ended\n');
      expect(states(here)).toEqual({ first: 'completed 1', second: 'pending 0' });
    },
  );

  it('a second time cuts off at once what still runs: it waits again, uncharged, and is named', async () => {
    const here = await stage('5m');
    here.worker.kill('SIGTERM');
    await until(() => here.said().includes('stopping: no new jobs are taken'));
    here.worker.kill('SIGTERM');
    expect(await here.ended).toBe(0);
    expect(handlerIsGone(here)).toBe(true);
    expect(states(here)).toEqual({ first: 'pending 1', second: 'pending 0' });
    const [first] = here.place.json('jobs').filter(({ key }) => key === 'first');
    expect(first.reason).toContain('given back');
    expect(here.said()).toMatch(/worker stopped.*first/);
    // The next worker does both, each once more or for the first time.
    here.go();
    here.place.run('worker', '--until-idle');
    expect(states(here)).toEqual({ first: 'completed 2', second: 'completed 1' });
  });

  it('cuts off what is not done within its grace, and leaves nothing of it behind', async () => {
    const here = await stage('200ms');
    here.worker.kill('SIGTERM');
    expect(await here.ended).toBe(0);
    expect(handlerIsGone(here)).toBe(true);
    expect(states(here)).toEqual({ first: 'pending 1', second: 'pending 0' });
  });

  it('by a closing terminal (SIGHUP) goes on', async () => {
    const here = await stage('30s');
    here.worker.kill('SIGHUP');
    await until(() => here.said().includes('SIGHUP is ignored'));
    here.go();
    await until(() => states(here)['second'] === 'completed 1');
    here.worker.kill('SIGTERM');
    expect(await here.ended).toBe(0);
  });
});
