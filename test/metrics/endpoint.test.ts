import { connect, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { createEndpoint } from '../../src/metrics/endpoint.js';
import { systemClock } from '../../src/platform/clock.js';
import { FakeClock } from '../support/fake-clock.js';
import { until } from '../support/until.js';
import { freePort, quiet, takePort } from './outlets.js';

async function served(clock = systemClock as FakeClock | typeof systemClock, text = async () => 'x 1\n') {
  const port = await freePort();
  const changes: (string | null)[] = [];
  const endpoint = createEndpoint({
    listen: { host: '127.0.0.1', port },
    text,
    clock,
    log: quiet,
    onChange: () => void changes.push(endpoint.problem()),
  });
  onTestFinished(() => endpoint.stop());
  const open = () => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => socket.destroy());
    onTestFinished(() => void socket.destroy());
    return socket;
  };
  const ask = (path: string, method = 'GET') => fetch(`http://127.0.0.1:${port}${path}`, { method });
  return { port, endpoint, changes, open, ask };
}

/** Connected, and by now counted by the server. */
const settled = (socket: Socket) => until(() => socket.readyState === 'open' || socket.destroyed);

test('GET /metrics is answered, and nothing else', async () => {
  const { endpoint, ask } = await served();
  endpoint.start();
  const good = await until(() => ask('/metrics?debug=1'));
  expect([good.status, good.headers.get('content-type'), await good.text()]).toEqual([
    200,
    'text/plain; version=0.0.4; charset=utf-8',
    'x 1\n',
  ]);
  const asked: readonly [string, string, number][] = [
    ['/', 'GET', 404],
    ['/metrics/', 'GET', 404],
    ['/jobs', 'POST', 404],
    ['/metrics', 'POST', 405],
    ['/metrics', 'HEAD', 405],
    ['/metrics', 'DELETE', 405],
  ];
  for (const [path, method, status] of asked) {
    const answer = await ask(path, method);
    expect([path, method, answer.status]).toEqual([path, method, status]);
    expect(answer.headers.get('connection')).toBe('close');
  }
});

test('a client that sends its request byte by byte is cut off, and holds up nobody else', async () => {
  const clock = new FakeClock();
  const { endpoint, open, ask } = await served(clock);
  endpoint.start();
  await until(() => ask('/metrics'));
  const slow = open();
  await settled(slow);
  slow.write('GET /metrics HTTP/1.1\r\nHost: a\r\nX: ');
  for (let second = 0; second < 9; second += 1) {
    await clock.advance(1_000);
    slow.write('x');
    expect((await ask('/metrics')).status).toBe(200);
  }
  expect(slow.destroyed).toBe(false);
  await clock.advance(1_001);
  await until(() => slow.destroyed || slow.readyState === 'closed');
});

test('of many connections at once the most are turned away, and the next one after them is answered', async () => {
  const clock = new FakeClock();
  const { endpoint, open, ask } = await served(clock);
  endpoint.start();
  await until(() => ask('/metrics'));
  const sockets = Array.from({ length: 40 }, open);
  await until(() => sockets.filter((socket) => socket.destroyed).length >= 32);
  expect(sockets.filter((socket) => !socket.destroyed).length).toBeLessThanOrEqual(8);
  await expect(ask('/metrics')).rejects.toThrow();
  await clock.advance(10_001);
  await until(async () => (await ask('/metrics')).status === 200);
});

test('a port that is taken is said, and tried again until it is free', async () => {
  const clock = new FakeClock();
  const { port, endpoint, changes, ask } = await served(clock);
  const free = await takePort(port);
  endpoint.start();
  await until(() => endpoint.problem() !== null);
  expect(endpoint.problem()).toBe(`127.0.0.1:${port}: another program has this port`);
  await clock.advance(5_001);
  await new Promise(setImmediate);
  await free();
  // The second try may still be on its way: it fails or succeeds, and a third one follows at the most.
  await until(async () => {
    await clock.advance(5_001);
    return endpoint.problem() === null;
  });
  expect((await ask('/metrics')).status).toBe(200);
  expect(changes).toEqual([`127.0.0.1:${port}: another program has this port`, null]);
});

test('metrics that cannot be written are an answer of 500, and a stop ends what is open', async () => {
  const { endpoint, ask, open } = await served(systemClock, async () => {
    throw new Error('no');
  });
  endpoint.start();
  expect((await until(() => ask('/metrics'))).status).toBe(500);
  const idle = open();
  await settled(idle);
  idle.write('GET /metrics HTTP/1.1\r\nHost: a\r\n');
  expect((await ask('/metrics')).status).toBe(500);
  await endpoint.stop();
  await until(() => idle.destroyed, { withinMs: 3_000 });
});
