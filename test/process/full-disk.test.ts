import { spawn } from 'node:child_process';
import {
  appendFileSync,
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readBeat } from '../../src/heartbeat/read-beat.js';
import { builtCli } from '../support/built-program.js';
import { workplace } from '../support/dogged.js';
import { type MountKind, mounted, whyNoMount } from '../support/mount.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';

const SMALL: MountKind = { type: 'tmpfs', options: 'size=3m', mkfs: null };
const cannot = whyNoMount(SMALL);
if (cannot !== null) console.warn(`NOT TESTED: a full disk, since nothing can be mounted here (${cannot})`);

/** Takes what room is left, to the last byte. */
function fill(file: string): void {
  const fd = openSync(file, 'a');
  for (const size of [65_536, 4_096, 1]) {
    try {
      for (;;) writeSync(fd, Buffer.alloc(size));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }
  closeSync(fd);
}

/** A worker without a monitor, whose state folder is on a small disk of its own. */
function onSmallDisk() {
  const disk = mounted(SMALL);
  const folder = tempFolder();
  const state = join(disk.folder, 'state');
  const config = `
state: ${state}
disk: { pauseBelow: 0B }
alerts: [{ on: [disk], exec: [sh, -c, 'cat >> told.ndjson'] }]
sources: { ideas: { log: ./ideas.ndjson, key: title, task: build } }
tasks: { build: { run: [sh, -c, 'cat >> done.ndjson'] } }
`;
  writeFileSync(join(folder, 'dogged.config.yaml'), config);
  const add = (title: string) =>
    appendFileSync(join(folder, 'ideas.ndjson'), `${JSON.stringify({ title, text: 'x'.repeat(20_000) })}\n`);
  const done = () => {
    const path = join(folder, 'done.ndjson');
    return existsSync(path) ? readFileSync(path, 'utf8').split('\n').length - 1 : 0;
  };
  const place = workplace(folder);
  const beat = () => {
    const file = readBeat(state);
    return file.status === 'read' ? file.content : null;
  };
  return { disk, folder, state, add, done, place, beat };
}

test.skipIf(cannot !== null)(
  `a full disk ends nobody: the worker says so, beats on, and does everything once there is room${cannot ?? ''}`,
  async () => {
    const { folder, disk, state, add, done, place, beat } = onSmallDisk();
    add('a');
    const worker = spawn(process.execPath, [builtCli(), 'worker'], {
      cwd: folder,
      env: { ...process.env, DOGGED__POLL: '100ms', DOGGED__HEARTBEAT: '200ms' },
      stdio: 'ignore',
    });
    let ended = false;
    worker.on('exit', () => {
      ended = true;
    });
    onTestFinished(() => void worker.kill('SIGKILL'));
    await until(() => done() === 1);

    const filler = join(disk.folder, 'fill');
    fill(filler);
    for (let n = 0; n < 60; n += 1) add(`b${n}`);
    const told = await until(() => (beat()?.storage === undefined ? null : beat()));
    expect(told.storage).toContain('could not be written');
    expect(told.pressure).toBe('disk');
    await until(() => (beat()?.seq ?? 0) > told.seq + 3);
    const { stdout, status } = place.run('health', '--diagnose', '--json');
    expect(status).toBe(2);
    expect(JSON.parse(stdout).checks).toContainEqual(
      expect.objectContaining({ name: 'storage', status: 'critical' }),
    );
    expect(done()).toBe(1);
    expect(ended).toBe(false);

    rmSync(filler);
    await until(() => done() === 61, { withinMs: 30_000 });
    await until(() => beat()?.storage === undefined);
    expect(place.run('audit').status).toBe(0);
    expect(readFileSync(join(state, 'worker.log'), 'utf8')).toContain('the disk takes writes again');
    expect(ended).toBe(false);
  },
);

test.skipIf(cannot !== null)(
  `a full disk is no reason for the monitor to restart its worker, but one to alert${cannot ?? ''}`,
  async () => {
    const { disk, add, done, place, beat, state } = onSmallDisk();
    const times = {
      DOGGED__HEALTH__FRESH: '600ms',
      DOGGED__HEALTH__STUCK: '1200ms',
      DOGGED__HEARTBEAT: '200ms',
    };
    const monitored = workplace(place.folder, times);
    add('a');
    // Its state is not where the folder is stopped by.
    onTestFinished(() => void monitored.run('stop', '--timeout', '5s'));
    expect(monitored.run('start').status).toBe(0);
    await until(() => done() === 1);
    const pid = Number(readFileSync(join(state, 'worker.pid'), 'utf8').split('\n')[0]);
    const filler = join(disk.folder, 'fill');
    fill(filler);
    for (let n = 0; n < 60; n += 1) add(`b${n}`);
    const told = await until(() => (beat()?.storage === undefined ? null : beat()));
    // Beats come every 200 ms: more than twice as long as a worker may stand still.
    await until(() => (beat()?.seq ?? 0) > told.seq + 14);
    expect(beat()?.pid).toBe(pid);
    const alert = JSON.parse(readFileSync(join(place.folder, 'told.ndjson'), 'utf8'));
    expect(alert).toMatchObject({ alert: 'disk', phase: 'begun' });
    expect(alert.text).toContain('could not be written');
    rmSync(filler);
    await until(() => done() === 61, { withinMs: 30_000 });
    // Within the same minute it is held back, and kept.
    await until(() => readFileSync(join(state, 'alerts.json'), 'utf8').includes('has room again'));
    expect(beat()?.pid).toBe(pid);
  },
);

test.skipIf(cannot !== null)(
  `a state folder that is read-only is refused with what is wrong, and the diagnosis says so${cannot ?? ''}`,
  async () => {
    const { disk, add, place } = onSmallDisk();
    add('a');
    expect(place.run('worker', '--until-idle').status).toBe(0);
    disk.remount('ro');
    const refused = place.run('worker', '--until-idle');
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain('could not be written');
    const { stdout, status } = place.run('health', '--diagnose');
    expect(status).toBe(2);
    expect(stdout).toMatch(/❌ State folder .*mounted read-only/);
    disk.remount('rw');
    expect(place.run('worker', '--until-idle').status).toBe(0);
  },
);
