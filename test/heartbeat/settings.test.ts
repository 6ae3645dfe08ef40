import { statSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Config } from '../../src/config/config.js';
import { readDesired, writeDesired } from '../../src/heartbeat/desired.js';
import { defaultSettings, readSettings, writeSettings } from '../../src/heartbeat/settings.js';
import { stateFiles } from '../../src/heartbeat/state-files.js';
import { tempFolder } from '../support/temp-folder.js';

function aConfig(stateFolder: string): Config {
  const { health, logs } = defaultSettings(stateFolder, '');
  return {
    file: '/srv/dogged.config.yaml',
    folder: '/srv',
    workspace: 'default',
    stateFolder,
    site: 'here',
    redis: null,
    leaseMs: 30_000,
    pollMs: 2_000,
    slots: 4,
    heartbeat: { everyMs: 5_000, folder: '/run/dogged' },
    keepMs: 1,
    reconcileMs: 300_000,
    pressure: { memoryAbove: null, diskBelowBytes: null },
    backups: { everyMs: 1, keep: 1 },
    clock: { trust: 'auto', timeoutMs: 120_000 },
    metrics: { listen: null, textfile: null },
    shutdownGraceMs: 7_000,
    logs,
    health: { ...health, stuckMs: 2_500 },
    alerts: [{ on: ['stuck'], via: { kind: 'webhook', url: 'https://a.example/x' } }],
    sources: [],
    tasks: [],
  };
}

test('what the worker understood of the config is what the monitor reads', () => {
  const stateFolder = tempFolder();
  writeSettings(aConfig(stateFolder));
  const settings = readSettings(stateFolder);
  expect(settings).toMatchObject({
    status: 'read',
    content: {
      configFile: '/srv/dogged.config.yaml',
      heartbeatFolder: '/run/dogged',
      heartbeatEveryMs: 5_000,
      pollMs: null,
      health: { stuckMs: 2_500 },
      shutdownGraceMs: 7_000,
      alerts: [{ on: ['stuck'], via: { kind: 'webhook', url: 'https://a.example/x' } }],
      diskBelowBytes: null,
    },
  });
  expect(statSync(stateFiles(stateFolder).settings).mode & 0o777).toBe(0o600);
});

test('settings with a hole in them are refused, and say where', () => {
  const stateFolder = tempFolder();
  const { health, ...rest } = defaultSettings(stateFolder, '/srv/c.yaml');
  writeFileSync(
    stateFiles(stateFolder).settings,
    JSON.stringify({ ...rest, health: { ...health, stuckMs: null } }),
  );
  expect(readSettings(stateFolder)).toEqual({
    status: 'invalid',
    why: 'it.health.stuckMs is not a number ≥ 0',
  });
});

test('each request is a new one, also when it asks for the same again', () => {
  const stateFolder = tempFolder();
  expect(readDesired(stateFolder).status).toBe('missing');
  writeDesired(stateFolder, 'running');
  const first = readDesired(stateFolder);
  writeDesired(stateFolder, 'running');
  const second = readDesired(stateFolder);
  expect(first).not.toEqual(second);
  expect(second).toMatchObject({ content: { desired: 'running' } });
});
