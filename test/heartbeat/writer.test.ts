import fs, { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { Beat } from '../../src/heartbeat/beat.js';
import { readBeat } from '../../src/heartbeat/read-beat.js';
import { createBeatWriter } from '../../src/heartbeat/writer.js';
import { writeFileAtomic } from '../../src/platform/atomic-file.js';
import { FakeClock } from '../support/fake-clock.js';
import { tempFolder } from '../support/temp-folder.js';
import { aBeat } from './a-beat.js';

const quiet = { error: () => undefined, warn: () => undefined };

function seqIn(folder: string): number {
  const found = readBeat(folder);
  return found.status === 'read' ? found.content.seq : 0;
}

test('a beat is written at the start and then every period, each with the next number', async () => {
  const folder = tempFolder();
  const clock = new FakeClock();
  const writer = createBeatWriter({
    folder,
    everyMs: 30_000,
    clock,
    log: quiet,
    compose: (seq) => aBeat({ seq }),
  });
  writer.start();
  await clock.advance(0);
  expect(seqIn(folder)).toBe(1);
  await clock.advance(60_000);
  expect(seqIn(folder)).toBe(3);
  writer.stop();
  await clock.advance(60_000);
  expect(seqIn(folder)).toBe(3);
});

test('the last beat can be written after the stop, and nothing comes after it', async () => {
  const folder = tempFolder();
  const clock = new FakeClock();
  let state: Beat['state'] = 'running';
  const compose = (seq: number) => aBeat({ seq, state });
  const writer = createBeatWriter({ folder, everyMs: 1_000, clock, log: quiet, compose });
  writer.start();
  writer.stop();
  state = 'stopped';
  await writer.beatNow();
  await clock.advance(10_000);
  expect(readBeat(folder)).toMatchObject({ content: { state: 'stopped', seq: 2 } });
});

test('a composition that never answers stops the beats: no timer goes on saying that all is well', async () => {
  const folder = tempFolder();
  const clock = new FakeClock();
  const compose = (seq: number) => (seq === 1 ? aBeat({ seq }) : new Promise<Beat>(() => undefined));
  const writer = createBeatWriter({ folder, everyMs: 1_000, clock, log: quiet, compose });
  writer.start();
  await clock.advance(60_000);
  expect(seqIn(folder)).toBe(1);
});

test('a beat that cannot be written is counted, logged, and written as soon as it can be', async () => {
  const root = tempFolder();
  const folder = join(root, 'beats');
  const clock = new FakeClock();
  const said: string[] = [];
  const log = {
    error: (_: object, text?: string) => said.push(`error: ${text}`),
    warn: (_: object, text?: string) => said.push(`warn: ${text}`),
  };
  const writer = createBeatWriter({ folder, everyMs: 30_000, clock, log, compose: (seq) => aBeat({ seq }) });
  writer.start();
  await clock.advance(0);
  expect(writer.failures()).toBe(1);
  expect(said).toEqual(['error: the heartbeat could not be written']);
  mkdirSync(folder);
  await clock.advance(5_000);
  expect(seqIn(folder)).toBe(1);
  expect(said.at(-1)).toBe('warn: the heartbeat can be written again');
});

test('a composition that throws is counted as a beat that failed', async () => {
  const clock = new FakeClock();
  const compose = () => {
    throw new Error('the store cannot count');
  };
  const writer = createBeatWriter({ folder: tempFolder(), everyMs: 1_000, clock, log: quiet, compose });
  await expect(writer.beatNow()).resolves.toBeUndefined();
  expect(writer.failures()).toBe(1);
});

test('a reader sees a whole beat or none, and a damaged one is told from a missing one', () => {
  const folder = tempFolder();
  expect(readBeat(folder)).toEqual({ status: 'missing' });
  const path = join(folder, 'heartbeat.json');
  writeFileSync(path, '{"schema":1');
  expect(readBeat(folder).status).toBe('invalid');
  writeFileSync(path, JSON.stringify({ ...aBeat(), counters: { ...aBeat().counters, polls: 'many' } }));
  expect(readBeat(folder)).toEqual({ status: 'invalid', why: 'it.counters.polls is not a whole number ≥ 0' });
  writeFileSync(path, JSON.stringify({ ...aBeat(), schema: 2 }));
  expect(readBeat(folder)).toEqual({ status: 'invalid', why: 'it.schema is none of 1' });
  writeFileSync(path, JSON.stringify({ ...aBeat(), later: 'a field of a newer worker' }));
  expect(readBeat(folder).status).toBe('read');
  renameSync(path, join(folder, 'away'));
  mkdirSync(path);
  expect(readBeat(folder).status).toBe('invalid');
});

test('a beat waits for no disk: nothing of it is asked of a card that takes seconds', async () => {
  const folder = tempFolder();
  const fsyncSync = vi.spyOn(fs, 'fsyncSync');
  syncBuiltinESMExports();
  onTestFinished(() => {
    fsyncSync.mockRestore();
    syncBuiltinESMExports();
  });
  const clock = new FakeClock();
  const compose = (seq: number) => aBeat({ seq });
  const writer = createBeatWriter({ folder, everyMs: 30_000, clock, log: quiet, compose });
  await writer.beatNow();
  expect(seqIn(folder)).toBe(1);
  expect(fsyncSync).not.toHaveBeenCalled();
  // What must outlive a power cut is told apart by this.
  writeFileAtomic(join(folder, 'kept.json'), '{}');
  expect(fsyncSync).toHaveBeenCalledTimes(2);
});
