import {
  appendFileSync,
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createRig, directorySource, logSource, type Rig } from './rig.js';

/*
 * Whatever is written can be seen after any of its bytes. Each document is cut at every position, and looked at in that
 * state: as it grows, and while it is written over another one.
 */

interface Sample {
  readonly name: string;
  readonly text: (...records: readonly string[]) => string;
  readonly kinds: readonly ('log' | 'directory')[];
}

const samples: readonly Sample[] = [
  { name: 'an array', text: (...records) => `[${records.join(',')}]`, kinds: ['log', 'directory'] },
  {
    name: 'an indented array with a byte order mark and CRLF',
    text: (...records) => `\ufeff[\r\n  ${records.join(',\r\n  ')}\r\n]\r\n`,
    kinds: ['log', 'directory'],
  },
  {
    name: 'lines with a byte order mark, CRLF and empty ones',
    text: (...records) => `\ufeff${records.map((one) => `${one}\r\n\r\n`).join('')}`,
    kinds: ['log'],
  },
  { name: 'lines', text: (...records) => records.map((one) => `${one}\n`).join(''), kinds: ['log'] },
];

/** Brackets and quotes in strings, escapes, two to four bytes a character, a nested value, bare-looking ends. */
const OLD = ['{"id":1,"s":"a]},[\\"\\\\"}', '{"id":12,"n":[{"x":[[]]},{}]}', '{"id":3,"ü":"€😀\\u00e9"}'];
const NEW = [
  '{"id":4,"s":"b]},[\\\\\\""}',
  '{"id":12,"n":[{"x":[[]]},{}]}',
  '{"id":5,"ö":"€😎\\u00e8"}',
  '{"id":67}',
];

type Kind = 'log' | 'directory';

/** A source of its own for each position, all in one store. */
function sources(rig: Rig, kind: Kind) {
  let count = 0;
  return {
    next(): string {
      const name = `s${count++}`;
      const folder = join(rig.folder, name);
      mkdirSync(folder);
      const file = join(folder, 'x.json');
      rig.restart({ name, path: kind === 'log' ? file : folder });
      return file;
    },
    async admitted(): Promise<Map<string, string[]>> {
      const all = new Map<string, string[]>();
      for (const { source, payload } of await rig.jobs()) {
        const name = source ?? '';
        all.set(name, [...(all.get(name) ?? []), payload.bytes.toString()]);
      }
      return all;
    },
  };
}

async function rigOf(kind: Kind) {
  const rig = await createRig((folder) =>
    kind === 'log' ? logSource(join(folder, 'x.json')) : directorySource(folder),
  );
  return { rig, each: sources(rig, kind) };
}

const cases = samples.flatMap((sample) => sample.kinds.map((kind) => [sample.name, kind, sample] as const));
const union = [...OLD, ...NEW.filter((one) => !OLD.includes(one))].sort();

describe.each(cases)('%s in a %s', (_, kind, { text }) => {
  it('that is seen after each of its bytes gives each record once', async () => {
    const { rig, each } = await rigOf(kind);
    const file = each.next();
    for (const byte of Buffer.from(text(...OLD))) {
      appendFileSync(file, Buffer.of(byte));
      await rig.poll();
    }
    await rig.polls(3);
    expect((await each.admitted()).get('s0')).toEqual(OLD);
  });

  it('that is cut at any position and then finished gives each record once, also after a restart', async () => {
    const { rig, each } = await rigOf(kind);
    const bytes = Buffer.from(text(...OLD));
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const file = each.next();
      writeFileSync(file, bytes.subarray(0, cut));
      await rig.poll();
      if (cut % 2 === 0) rig.restart({ name: `s${cut}`, path: kind === 'log' ? file : join(file, '..') });
      appendFileSync(file, bytes.subarray(cut));
      await rig.polls(2);
    }
    const admitted = await each.admitted();
    for (let cut = 0; cut <= bytes.length; cut += 1)
      expect(admitted.get(`s${cut}`), `cut ${cut}`).toEqual(OLD);
  });

  it('that is written over another one, and seen at any position, gives what both hold and nothing else', async () => {
    const { rig, each } = await rigOf(kind);
    const bytes = Buffer.from(text(...NEW));
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const file = each.next();
      writeFileSync(file, text(...OLD));
      await rig.poll();
      const fd = openSync(file, 'r+');
      writeSync(fd, bytes, 0, cut, 0);
      await rig.poll();
      writeSync(fd, bytes, cut, bytes.length - cut, cut);
      ftruncateSync(fd, bytes.length);
      closeSync(fd);
      await rig.polls(3);
    }
    const admitted = await each.admitted();
    for (let cut = 0; cut <= bytes.length; cut += 1)
      expect(admitted.get(`s${cut}`)?.sort(), `cut ${cut}`).toEqual(union);
  });

  it('that is truncated and written anew, and seen at any position, gives what both hold and nothing else', async () => {
    const { rig, each } = await rigOf(kind);
    const bytes = Buffer.from(text(...NEW));
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const file = each.next();
      writeFileSync(file, text(...OLD));
      await rig.poll();
      writeFileSync(file, bytes.subarray(0, cut));
      await rig.poll();
      appendFileSync(file, bytes.subarray(cut));
      await rig.polls(3);
    }
    const admitted = await each.admitted();
    for (let cut = 0; cut <= bytes.length; cut += 1)
      expect(admitted.get(`s${cut}`)?.sort(), `cut ${cut}`).toEqual(union);
  });
});
