import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import SqliteDatabase from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { type FoundHang, hangFiles, readHang } from '../../src/heartbeat/hang-file.js';
import { runningProcess } from '../../src/heartbeat/pid-file.js';
import { readBeat } from '../../src/heartbeat/read-beat.js';
import { type RecoveryLine, readRecoveries } from '../../src/heartbeat/recovery-log.js';
import { stateFiles } from '../../src/heartbeat/state-files.js';
import { isRunning, signalProved } from '../../src/platform/process-identity.js';
import { type Workplace, workplace } from '../support/dogged.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';

/* The real pair, whose worker comes to a standstill in a real way. */

const CONFIG = `
heartbeat: 200ms
poll: 100ms
shutdownGrace: 1s
health: { fresh: 600ms, stuck: STUCK, stallAfter: 1s, restarts: { limit: 5, within: 10m, backoff: 50ms..100ms } }
sources:
  notes: { log: ./notes.ndjson, key: title, task: note }
tasks:
  note: { run: [cat] }
`;

interface Stand extends Workplace {
  readonly state: string;
  /** The standstill begins when this is there. */
  readonly trigger: string;
  worker(): NonNullable<ReturnType<typeof runningProcess>>;
  monitorLog(): string;
  hangs(): readonly FoundHang[];
  recoveries(): readonly RecoveryLine[];
  /** The last recovery, once it has come to its good end. */
  recovered(withinMs?: number): Promise<RecoveryLine>;
}

function standWith(failpoint: string, stuck: string): Stand {
  const folder = tempFolder();
  const state = join(folder, 'state');
  const trigger = join(folder, 'trigger');
  writeFileSync(join(folder, 'dogged.config.yaml'), CONFIG.replace('STUCK', stuck));
  writeFileSync(join(folder, 'notes.ndjson'), '');
  const place = workplace(folder, {
    DOGGED__POLL: undefined,
    DOGGED__HEARTBEAT: undefined,
    DOGGED_FAILPOINT: failpoint === '' ? undefined : `${failpoint}:${trigger}`,
  });
  const hangs = () => hangFiles(state).flatMap((name) => readHang(state, name) ?? []);
  const recoveries = () => readRecoveries(state);
  const monitorLog = () => readFileSync(stateFiles(state).monitorLog, 'utf8');
  return {
    ...place,
    state,
    trigger,
    hangs,
    recoveries,
    monitorLog,
    worker() {
      const found = runningProcess(stateFiles(state).workerPid);
      if (found === null) throw new Error('no worker runs');
      return found;
    },
    recovered: (withinMs = 12_000) =>
      until(() => recoveries().find((line) => line.outcome === 'recovered'), {
        withinMs,
        describe: monitorLog,
      }),
  };
}

function append(place: Stand, title: string): void {
  writeFileSync(join(place.folder, 'notes.ndjson'), `${JSON.stringify({ title })}\n`, { flag: 'a' });
}

/** By the beat of the worker that runs. */
async function completes(place: Stand, jobs: number): Promise<void> {
  await until(() => {
    const beat = readBeat(place.state);
    return beat.status === 'read' && beat.content.counters.completed === jobs;
  });
}

/** Longer than any of these tests: only the guard can have told of the standstill. */
const NEVER = '60s';

describe('a blocked loop is named and its worker replaced at once', () => {
  test.each([
    ['spin', 'spinForEver (standstill.js:'],
    ['microtasks', 'chainMicrotasksForEver (standstill.js:'],
    // In native code there is no stack to be had; the last step and the system call tell.
    ['parse', 'native code, after loop'],
    ['fifo', 'openat, after loop'],
  ])('that stands still by %s', async (how, named) => {
    const place = standWith(`loop.turn:${how}`, NEVER);
    place.run('start');
    const first = place.worker();
    if (how === 'fifo') execFileSync('mkfifo', [place.trigger]);
    else writeFileSync(place.trigger, '');
    // The next worker shall not open it again.
    if (how === 'fifo') await until(() => place.hangs().length > 0).then(() => rmSync(place.trigger));

    const { cause, evidence, action, tookMs } = await place.recovered();
    expect(isRunning(first)).toBe(false);
    expect(cause).toBe('hung');
    expect(action).toContain(named);
    expect(place.monitorLog()).toContain(`🔄 RECOVERY: the event loop stands in`);
    expect(evidence['pid']).toBe(first.pid);
    // From what was seen to the first beat of the next one.
    expect(tookMs).toBeLessThan(5_000);
    const bundle = JSON.parse(readFileSync(join(place.state, String(evidence['bundle'])), 'utf8'));
    expect(bundle).toMatchObject({ pid: first.pid, hang: { file: evidence['hang'], overAfterMs: null } });
    expect(bundle.process.state).toBe(how === 'fifo' ? 'S' : 'R');
    expect(bundle.log.join('\n')).toContain('worker started');
    append(place, 'after');
    await completes(place, 1);
  });

  test('in a pattern of `require`: the record is told, set aside as `hung`, and all others go on', async () => {
    const place = standWith('', NEVER);
    const config = join(place.folder, 'dogged.config.yaml');
    const evil = 'task: note, require: { properties: { text: { pattern: "^(a+)+$" } } } }';
    writeFileSync(config, readFileSync(config, 'utf8').replace('task: note }', evil));
    place.run('start');
    append(place, 'before');
    await completes(place, 1);
    const first = place.worker();
    const notes = join(place.folder, 'notes.ndjson');
    const record = JSON.stringify({ title: 'evil', text: `${'a'.repeat(40)}b` });
    writeFileSync(notes, `${record}\n${JSON.stringify({ title: 'after' })}\n`, { flag: 'a' });
    const { evidence, action } = await place.recovered();
    expect(evidence['pid']).toBe(first.pid);
    expect(action).toContain(`after intake.judge ${notes} at ${'{"title":"before"}\n'.length}`);
    // It would hang again on the same record.
    await completes(place, 1);
    expect(place.json('rejects')).toMatchObject([{ source: 'notes', reason: 'hung', path: notes }]);
    expect(place.recoveries().filter((line) => line.outcome === 'recovered')).toHaveLength(1);
    expect(place.json('audit')[0]).toMatchObject({ ok: true });
    // Names and positions: nothing of the record, and nothing of the environment.
    const hang = place.hangs()[0];
    expect(hang?.stack.some(({ file }) => file.endsWith('gate.js'))).toBe(true);
    expect(JSON.stringify(hang)).not.toContain('evil');
    expect(JSON.stringify(hang)).not.toContain(process.env['PATH'] ?? 'PATH');
  }, 60_000);
});

test('a dispatcher that takes no turn any more, while there is work and room, is found, named and replaced', async () => {
  const place = standWith('turn.begin:stuck', NEVER);
  writeFileSync(
    join(place.folder, 'dogged.config.yaml'),
    CONFIG.replace('STUCK', NEVER).replace('stallAfter', 'idleStuckAfter: 1s, stallAfter'),
  );
  place.run('start');
  const first = place.worker();
  writeFileSync(place.trigger, '');
  append(place, 'left lying');
  // The next worker shall not be caught by it.
  await until(() => place.recoveries().length > 0, { withinMs: 15_000 }).then(() => rmSync(place.trigger));
  expect(await place.recovered()).toMatchObject({ cause: 'idle-stuck', evidence: { pid: first.pid } });
  expect(isRunning(first)).toBe(false);
  expect(place.monitorLog()).toContain('work and free slots, but no claim for');
  await completes(place, 1);
});

test('threads for file I/O that hang are found by the reads that do not come back', async () => {
  const place = standWith('loop.turn:pool', '1500ms');
  place.run('start');
  execFileSync('mkfifo', [place.trigger]);
  await until(() => place.recoveries().length > 0);
  rmSync(place.trigger);
  const { cause, action } = await place.recovered();
  expect(cause).toBe('stalled');
  expect(action).toContain('no file read came back');
  expect(place.hangs()).toEqual([]);
});

test('a database that another process holds is waited for: who holds it is said, and nothing is restarted', async () => {
  const place = standWith('', '1200ms');
  place.run('start');
  const worker = place.worker();
  const holder = new SqliteDatabase(join(place.state, 'dogged.db'));
  holder.exec('BEGIN IMMEDIATE');
  append(place, 'waits');
  const seq = () => {
    const beat = readBeat(place.state);
    return beat.status === 'read' ? beat.content.seq : 0;
  };
  await until(() => place.monitorLog().includes(`the database is held by PID ${process.pid} for`));
  // Four times what would make the worker stuck.
  const from = seq();
  await until(() => seq() >= from + 24, { withinMs: 12_000 });
  holder.exec('COMMIT');
  holder.close();
  await completes(place, 1);
  expect(place.worker().pid).toBe(worker.pid);
  expect(place.recoveries()).toEqual([]);
});

test('a pair that was frozen and thawed together goes on as it was', async () => {
  const place = standWith('', '1200ms');
  place.run('start');
  const worker = place.worker();
  const monitor = runningProcess(stateFiles(place.state).monitorPid);
  if (monitor === null) throw new Error('no monitor runs');
  for (let times = 0; times < 2; times += 1) {
    for (const one of [worker, monitor]) signalProved(one, 'SIGSTOP');
    // The freeze itself, twice as long as what makes a worker stuck.
    const thawAtMs = performance.now() + 2_500;
    await until(() => performance.now() > thawAtMs);
    for (const one of [monitor, worker]) signalProved(one, 'SIGCONT');
    append(place, `thaw ${times}`);
    await completes(place, times + 1);
  }
  expect(place.worker().pid).toBe(worker.pid);
  expect(place.recoveries()).toEqual([]);
  expect(place.hangs()).toEqual([]);
});
