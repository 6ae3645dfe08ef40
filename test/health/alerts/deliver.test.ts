import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { AlertWay } from '../../../src/config/config.js';
import { type AlertMessage, messageOf } from '../../../src/health/alerts/alert.js';
import { type Delivery, deliver } from '../../../src/health/alerts/deliver.js';
import { systemClock } from '../../../src/platform/clock.js';
import { readProcessStat } from '../../../src/platform/process-identity.js';
import { builtCli } from '../../support/built-program.js';
import { FakeClock } from '../../support/fake-clock.js';
import { tempFolder } from '../../support/temp-folder.js';
import { until } from '../../support/until.js';
import { alertServer } from './alert-server.js';

const AT = Date.UTC(2026, 0, 1);
const MESSAGE: AlertMessage = messageOf(
  {
    kind: 'outage',
    phase: 'begun',
    subject: 'model',
    count: 1,
    what: 'a "quoted" $(touch hacked) `touch hacked`; touch hacked',
    atMs: AT,
  },
  0,
  { host: 'pi', configFile: '/srv/dogged.config.yaml' },
  AT,
);

function send(way: AlertWay, folder: string, clock = systemClock, signal = new AbortController().signal) {
  const poster = join(dirname(builtCli()), 'health/alerts/post-process.js');
  return deliver(way, MESSAGE, { folder, clock, signal, poster });
}

function isAlive(pid: number): boolean {
  const stat = readProcessStat(pid);
  return stat !== null && stat.state !== 'Z';
}

describe('a program', () => {
  function program(text: string) {
    const folder = tempFolder();
    const path = join(folder, 'notify.sh');
    writeFileSync(path, `#!/bin/sh\n${text}\n`);
    chmodSync(path, 0o755);
    return { folder, way: { kind: 'exec', argv: ['./notify.sh', 'an argument'] } as const };
  }
  const pidsIn = (folder: string) =>
    existsSync(join(folder, 'pids'))
      ? readFileSync(join(folder, 'pids'), 'utf8').split('\n').map(Number)
      : [];

  test("runs in the config's folder, gets the alert on stdin and in its environment, and no shell reads it", async () => {
    const { folder, way } = program(
      'cat > stdin; printf "%s|%s|%s|%s|%s" "$DOGGED_ALERT" "$DOGGED_ALERT_PHASE" "$DOGGED_ALERT_SUBJECT" "$DOGGED_ALERT_TEXT" "$1" > env',
    );
    expect(await send(way, folder)).toEqual({ delivered: true, output: null });
    const stdin = readFileSync(join(folder, 'stdin'), 'utf8');
    expect(stdin).toBe(`${JSON.stringify(MESSAGE)}\n`);
    expect(readFileSync(join(folder, 'env'), 'utf8')).toBe(`outage|begun|model|${MESSAGE.text}|an argument`);
    expect(existsSync(join(folder, 'hacked'))).toBe(false);
  });

  test.each<[string, string, Delivery]>([
    ['ends well and says something', 'echo sent', { delivered: true, output: 'sent' }],
    ['does not read its input', 'exec 0<&-; exit 0', { delivered: true, output: null }],
    ['ends badly', 'echo no route >&2; exit 3', { delivered: false, why: 'exit 3: no route' }],
    ['is ended by a signal', 'kill -TERM $$', { delivered: false, why: 'was ended by SIGTERM' }],
  ])('that %s is told as that', async (_, text, expected) => {
    const { folder, way } = program(text);
    expect(await send(way, folder)).toEqual(expected);
  });

  test('that is not there is told as that', async () => {
    const delivery = await send({ kind: 'exec', argv: ['./nobody'] }, tempFolder());
    expect(delivery).toMatchObject({ delivered: false, why: expect.stringContaining('ENOENT') });
  });

  test('that hangs is killed after 10 s with everything in its group', async () => {
    const clock = new FakeClock();
    const { folder, way } = program('sleep 60 & echo "$$\n$!" > pids; wait');
    const delivery = send(way, folder, clock);
    const pids = await until(() => (pidsIn(folder).length >= 2 ? pidsIn(folder).slice(0, 2) : null));
    await clock.advance(9_900);
    expect(pids.filter(isAlive)).toEqual(pids);
    await clock.advance(100);
    expect(await delivery).toEqual({ delivered: false, why: 'took longer than 10 s' });
    await until(() => pids.filter(isAlive).length === 0);
  });

  test('whose output never ends is not kept, and one that leaves something behind is not waited for', async () => {
    const endless = program('yes 0123456789 | head -c 3000000');
    const { delivered, ...rest } = await send(endless.way, endless.folder);
    expect(delivered).toBe(true);
    expect((rest as { output: string }).output.length).toBeLessThanOrEqual(2_048);

    const behind = program('sleep 60 & echo $! > pids');
    expect(await send(behind.way, behind.folder)).toEqual({ delivered: true, output: null });
    const [pid = 0] = pidsIn(behind.folder);
    expect(isAlive(pid)).toBe(true);
    process.kill(pid, 'SIGKILL');
  });

  test('that runs when the monitor ends is ended', async () => {
    const { folder, way } = program('echo $$ > pids; exec sleep 60');
    const ending = new AbortController();
    const delivery = send(way, folder, systemClock, ending.signal);
    const [pid = 0] = await until(() => (pidsIn(folder).length > 1 ? pidsIn(folder) : null));
    ending.abort();
    expect(await delivery).toMatchObject({ delivered: false });
    await until(() => !isAlive(pid));
  });
});

describe('a webhook', () => {
  const hook = (port: number, rest = '/hook?token=hush'): AlertWay => ({
    kind: 'webhook',
    url: `http://ann:secret@127.0.0.1:${port}${rest}`,
  });

  test('is posted the alert as JSON, with fields that chats show, and with the credentials of its address', async () => {
    const server = await alertServer();
    expect(await send(hook(server.port), '/')).toEqual({ delivered: true, output: null });
    expect(server.posted).toEqual([
      {
        path: '/hook?token=hush',
        authorization: `Basic ${Buffer.from('ann:secret').toString('base64')}`,
        body: { ...MESSAGE, content: MESSAGE.text },
      },
    ]);
    await until(() => server.open() === 0);
  });

  test.each<[string, Parameters<typeof alertServer>[0], string]>([
    ['answers 500', (response) => void response.writeHead(500).end('hush'), 'it answered 500'],
    [
      'leads elsewhere',
      (response) => void response.writeHead(302, { location: '/elsewhere?token=hush' }).end(),
      'it answered 302: redirects are not followed, give the address to which it leads',
    ],
    ['closes the connection', (response) => void response.socket?.destroy(), 'socket hang up'],
  ])('that %s is told as that, once, and without its secrets', async (_, answer, why) => {
    const server = await alertServer(answer);
    expect(await send(hook(server.port), '/')).toEqual({ delivered: false, why });
    expect(server.posted).toHaveLength(1);
  });

  test('that nobody serves is told without its secrets', async () => {
    const delivery = await send(hook(1), '/');
    expect(delivery).toEqual({ delivered: false, why: 'connect ECONNREFUSED 127.0.0.1:1' });
  });

  test('that hangs is given up after 10 s, and its connection closed', async () => {
    const clock = new FakeClock();
    const server = await alertServer(() => undefined);
    const delivery = send(hook(server.port), '/', clock);
    await until(() => server.posted.length === 1);
    await clock.advance(10_000);
    expect(await delivery).toEqual({ delivered: false, why: 'took longer than 10 s' });
    await until(() => server.open() === 0);
  });
});
