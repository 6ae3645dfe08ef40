import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { onTestFinished } from 'vitest';
import { builtCli } from '../support/built-program.js';
import { type Workplace, workplace } from '../support/dogged.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';

/** A `long` job ends once there is a file of its name. */
const LONG = 'echo "$DOGGED_KEY" >> ran; while [ ! -e "end-$DOGGED_KEY" ]; do sleep 0.05; done';
const NOTE = 'read line; echo "$DOGGED_KEY" >> ran; sleep 0.02';

export interface Station extends Workplace {
  /** One line for each run of a handler. */
  readonly ran: () => string[];
  /** A worker in the foreground. */
  readonly worker: (environment?: NodeJS.ProcessEnv) => ChildProcess;
  readonly write: (titles: readonly string[]) => void;
  /** `migrate` until its end, in a process that does not block this one. */
  readonly migrate: (...args: string[]) => Promise<{ status: number | null; stdout: string; stderr: string }>;
}

export function station(environment: NodeJS.ProcessEnv = {}, folder = tempFolder()): Station {
  writeFileSync(
    join(folder, 'dogged.config.yaml'),
    `
poll: 50ms
heartbeat: 200ms
slots: 4
health: { poisonAfter: 50 }
shutdownGrace: 100ms
lease: 2s
sources: { notes: { log: ./notes.ndjson, key: title, task: note } }
tasks:
  note: { run: [sh, -c, ${JSON.stringify(NOTE)}], killGrace: 100ms }
  long: { run: [sh, -c, ${JSON.stringify(LONG)}], killGrace: 100ms, retry: { backoff: 10ms..20ms } }
`,
  );
  writeFileSync(join(folder, 'notes.ndjson'), '');
  const place = workplace(folder, { DOGGED__POLL: undefined, DOGGED__HEARTBEAT: undefined, ...environment });
  const children: ChildProcess[] = [];
  onTestFinished(() => {
    for (const child of children) child.kill('SIGKILL');
  });
  return {
    ...place,
    ran: () => {
      const file = join(folder, 'ran');
      return existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
    },
    worker: (more = {}) => {
      const child = spawn(process.execPath, [builtCli(), 'worker'], {
        cwd: folder,
        stdio: 'ignore',
        env: { ...process.env, ...environment, ...more },
      });
      children.push(child);
      return child;
    },
    write: (titles) =>
      appendFileSync(
        join(folder, 'notes.ndjson'),
        titles.map((title) => `${JSON.stringify({ title })}\n`).join(''),
      ),
    migrate: (...args) => place.runAside('migrate', '--timeout', '50s', ...args),
  };
}

export const titles = (count: number, prefix: string) =>
  Array.from({ length: count }, (_, n) => `${prefix}${n}`);
export const isUp = (place: Station) => until(() => place.json('status')[0]?.verdict === 'running');
export const stored = (place: Station): string => place.json('migrate', '--status')[0].store;
// biome-ignore lint/suspicious/noExplicitAny: the shapes are what these tests look into
export const jobsOf = (place: Station): any[] => place.json('jobs', '--limit', '5000');
export const jobNamed = (place: Station, key: string) => jobsOf(place).find((job) => job.key === key);
/** Jobs, leases and records of a mirror. */
export const leftIn = async (redis: Redis) =>
  (await redis.keys('dogged:*')).filter((key) =>
    /:k-|:mirror:|:(ends|life|told|home|machines|worker)/.test(key),
  );
