import { lstatSync, truncateSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { placeFor } from './hostile-place.js';

describe.each(['log', 'directory'] as const)('a %s meets:', (kind) => {
  it('0 bytes: pending, never rejected, and read once it is written', async () => {
    const { rig, path, text } = await placeFor(kind);
    writeFileSync(path, text({ id: 1 }));
    await rig.polls(2);
    truncateSync(path);
    await rig.poll();
    expect(rig.poller.status()).toMatchObject({ waitingFiles: 1, problem: null });
    await rig.polls(40);
    expect(await rig.store.rejects(null, 10)).toEqual([]);
    writeFileSync(path, text({ id: 1 }, { id: 2 }));
    await rig.polls(3);
    expect(await rig.keys()).toEqual(['1', '2']);
  });

  it.each([
    ['a byte order mark', '\ufeff', '\n'],
    ['CRLF', '', '\r\n'],
    ['a byte order mark and CRLF', '\ufeff', '\r\n'],
  ])('BOM, CRLF: %s is accepted, and the payload has neither', async (_, mark, end) => {
    const { rig, path } = await placeFor(kind);
    const [one, two] = ['{"id":1,\t"x": "ü"}', '{"id":2}'];
    const text =
      kind === 'log' ? `${one}${end}${end}${two}${end}` : `[${end}${one},${end}${two}${end}]${end}`;
    writeFileSync(path, mark + text);
    expect(await rig.poll()).toBe(true);
    const payloads = (await rig.jobs()).map((job) => job.payload.bytes.toString());
    expect(payloads).toEqual(['{"id":1,"x":"ü"}', '{"id":2}']);
  });

  it('NUL bytes: waited for; stable, they are rejected, and what stands beside them is admitted or read once mended', async () => {
    const { rig, path, text } = await placeFor(kind);
    const nuls = Buffer.alloc(5_000);
    writeFileSync(
      path,
      Buffer.concat([
        Buffer.from(text({ id: 1 })),
        nuls,
        Buffer.from(kind === 'log' ? `\n${text({ id: 2 })}` : ''),
      ]),
    );
    expect(await rig.poll()).toBe(false);
    expect(await rig.store.rejects(null, 10)).toEqual([]);
    await rig.clock.advance(61_000);
    expect(await rig.poll()).toBe(true);
    const [reject] = await rig.store.rejects(null, 10);
    // In an array it is the bracket that is not the last thing.
    const where = kind === 'log' ? { reason: 'nul-bytes', offset: 9 } : { reason: 'json', offset: 9 };
    expect(reject).toMatchObject(where);
    if (kind === 'log') expect(await rig.keys()).toEqual(['1', '2']);
    writeFileSync(path, text({ id: 1 }, { id: 2 }, { id: 3 }));
    await rig.polls(3);
    expect(await rig.keys()).toEqual(['1', '2', '3']);
    expect(await rig.store.rejects(null, 10)).toEqual([]);
  });

  it('NUL bytes and nothing else, as after a power cut: waited for, then rejected for what they are', async () => {
    const { rig, path, text } = await placeFor(kind);
    writeFileSync(path, Buffer.concat([Buffer.alloc(4_096), Buffer.from(kind === 'log' ? '\n' : '')]));
    expect(await rig.poll()).toBe(false);
    await rig.clock.advance(61_000);
    await rig.poll();
    expect(await rig.store.rejects(null, 10)).toMatchObject([{ reason: 'nul-bytes', offset: 0 }]);
    writeFileSync(path, text({ id: 1 }));
    await rig.polls(3);
    expect(await rig.keys()).toEqual(['1']);
    expect(await rig.store.rejects(null, 10)).toEqual([]);
  });

  it.each([
    ['invalid UTF-8', Buffer.from('7b226964223a32ff7d', 'hex'), 'utf8'],
    ['NaN', Buffer.from('{"id":2,"x":NaN}'), 'not-finite'],
    ['Infinity', Buffer.from('{"id":2,"x":-Infinity}'), 'not-finite'],
    ['too deep', Buffer.from(`{"id":2,"x":${'['.repeat(70)}${']'.repeat(70)}}`), 'too-deep'],
    ['too large', Buffer.from(`{"id":2,"x":"${'x'.repeat(5_000)}"}`), 'too-large'],
  ])(
    'invalid UTF-8, NaN, Infinity, too deep, too large: %s is rejected with its byte range, its neighbours are admitted',
    async (_, bad, reason) => {
      const { rig, path } = await placeFor(kind, { maxRecordBytes: 4_000 });
      const [before, after] = kind === 'log' ? ['{"id":1}\n', '\n{"id":3}\n'] : ['[{"id":1},', ',{"id":3}]'];
      writeFileSync(path, Buffer.concat([Buffer.from(before), bad, Buffer.from(after)]));
      expect(await rig.poll()).toBe(true);
      expect(await rig.keys()).toEqual(['1', '3']);
      const where = { reason, offset: before.length, lengthBytes: bad.length };
      expect(await rig.store.rejects(null, 10)).toMatchObject([where]);
    },
  );

  it('whatever it meets, the file is not altered', async () => {
    const { rig, path, text } = await placeFor(kind);
    writeFileSync(path, Buffer.concat([Buffer.from(text({ id: 1 })), Buffer.from('\0\ufeff{"broken"\n')]));
    const before = lstatSync(path, { bigint: true });
    await rig.polls(2);
    await rig.clock.advance(61_000);
    await rig.polls(2);
    const after = lstatSync(path, { bigint: true });
    expect([after.mtimeNs, after.ctimeNs, after.size]).toEqual([before.mtimeNs, before.ctimeNs, before.size]);
  });
});
