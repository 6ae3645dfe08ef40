import { expect, test } from 'vitest';
import { writeDesired } from '../../src/heartbeat/desired.js';
import { createMonitorWatch } from '../../src/heartbeat/monitor-watch.js';
import { nameThisProcess, writePidFile } from '../../src/heartbeat/pid-file.js';
import { stateFiles } from '../../src/heartbeat/state-files.js';
import { FakeClock } from '../support/fake-clock.js';
import { tempFolder } from '../support/temp-folder.js';

function watchIn(stateFolder: string, startedByMonitor: boolean) {
  const clock = new FakeClock();
  const happened = { starts: 0, unwanted: 0 };
  const watch = createMonitorWatch({
    stateFolder,
    configFile: '/nowhere/dogged.config.yaml',
    clock,
    log: { warn: () => undefined, error: () => undefined },
    startedByMonitor,
    spawnMonitor: () => {
      happened.starts += 1;
    },
    onUnwanted: () => {
      happened.unwanted += 1;
    },
  });
  return { clock, watch, happened };
}

test('a worker whose monitor is gone starts another, at most once a minute', async () => {
  const stateFolder = tempFolder();
  writeDesired(stateFolder, 'running');
  const { clock, watch, happened } = watchIn(stateFolder, true);
  watch.start();
  expect(happened.starts).toBe(1);
  await clock.advance(59_000);
  expect(happened.starts).toBe(1);
  await clock.advance(6_000);
  expect(happened.starts).toBe(2);
  expect(watch.seen()).toEqual({ pid: null, seen: false });
});

test('a monitor that runs is seen and left alone', async () => {
  const stateFolder = tempFolder();
  writeDesired(stateFolder, 'running');
  writePidFile(stateFiles(stateFolder).monitorPid, nameThisProcess());
  const { clock, watch, happened } = watchIn(stateFolder, true);
  watch.start();
  await clock.advance(120_000);
  expect(happened.starts).toBe(0);
  expect(watch.seen()).toEqual({ pid: process.pid, seen: true });
});

test('when the pair was stopped, the worker that is left ends itself instead of starting a monitor', async () => {
  const stateFolder = tempFolder();
  writeDesired(stateFolder, 'stopped');
  const { clock, watch, happened } = watchIn(stateFolder, true);
  watch.start();
  await clock.advance(120_000);
  expect(happened).toEqual({ starts: 0, unwanted: 1 });
});

test('a worker that was started by hand starts no monitor', async () => {
  const stateFolder = tempFolder();
  writeDesired(stateFolder, 'running');
  const { clock, watch, happened } = watchIn(stateFolder, false);
  watch.start();
  await clock.advance(120_000);
  expect(happened).toEqual({ starts: 0, unwanted: 0 });
});
