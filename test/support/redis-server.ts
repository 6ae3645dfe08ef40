import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { until } from './until.js';

export const NO_REDIS = 'redis-server is not installed (Debian: apt-get install redis-server)';

export function hasRedis(): boolean {
  return spawnSync('redis-server', ['--version']).status === 0;
}

/** A Redis of its own: a free port on 127.0.0.1, a folder of its own. */
export interface RedisServer {
  readonly port: number;
  readonly url: string;
  readonly pid: number;
  /** For a look from outside. */
  readonly client: Redis;
  /** Its process is stopped as by SIGSTOP, and goes on. */
  freeze(): void;
  thaw(): void;
  /** Killed at once; what was not on its disk is gone. */
  kill(): Promise<void>;
  /** The same port and folder again. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** `settings`: such as `['--appendonly', 'yes']`, and first, where it is to have one, the path of its config file. */
export async function startRedis(settings: readonly string[] = []): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), 'dogged-redis-'));
  const port = await freePort();
  let child: ChildProcess | null = null;
  const client = new Redis({ host: '127.0.0.1', port, lazyConnect: true, maxRetriesPerRequest: null });
  client.on('error', () => undefined);
  const gone = async () => {
    const server = child;
    if (server === null || server.exitCode !== null || server.signalCode !== null) return;
    const ended = new Promise((resolve) => server.once('exit', resolve));
    // Also one that is frozen: it must not answer once more.
    server.kill('SIGKILL');
    await ended;
    child = null;
  };
  const server: RedisServer = {
    port,
    url: `redis://127.0.0.1:${port}/0`,
    get pid() {
      return child?.pid ?? 0;
    },
    client,
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    kill: () => gone(),
    async start() {
      const file = settings.filter((one, n) => n === 0 && !one.startsWith('--'));
      const rest = settings.slice(file.length);
      const own = [
        '--port',
        `${port}`,
        '--bind',
        '127.0.0.1',
        '--dir',
        folder,
        '--save',
        '',
        '--loglevel',
        'warning',
      ];
      child = spawn('redis-server', [...file, ...own, ...rest], { stdio: 'ignore' });
      await until(async () => {
        if (client.status === 'wait' || client.status === 'end') await client.connect();
        return client.status === 'ready' && (await client.ping()) === 'PONG';
      });
    },
    async stop() {
      client.disconnect();
      await gone();
      process.off('exit', atExit);
      rmSync(folder, { recursive: true, force: true });
    },
  };
  // A test run that is cut off leaves none behind.
  const atExit = () => void child?.kill('SIGKILL');
  process.on('exit', atExit);
  await server.start();
  return server;
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}
