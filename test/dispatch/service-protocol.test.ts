import { describe, expect, test } from 'vitest';
import { LineReader } from '../../src/dispatch/line-reader.js';
import { readServiceLine, requestLine } from '../../src/dispatch/service-protocol.js';
import { takeSnapshot } from '../../src/job/snapshot.js';
import type { Claim } from '../../src/store/contract.js';

test('a request carries the payload byte for byte', () => {
  const payload = takeSnapshot(Buffer.from('{"big":12345678901234567890,"one":1.0}'));
  const claim = { id: '7', attempt: 2, key: 'k', task: 't', source: null, workspace: 'w', payload } as Claim;
  expect(requestLine(claim).toString()).toBe(
    '{"id":"7","attempt":2,"key":"k","task":"t","source":null,"workspace":"w",' +
      '"payload":{"big":12345678901234567890,"one":1.0}}\n',
  );
});

describe('a line from a service', () => {
  const done = (result: string | null) => ({ outcome: { kind: 'done', result } });
  const ended = (kind: string, reason: string) => ({ outcome: { kind, reason } });
  test.each<[string, object]>([
    ['{"id":"7","ok":true}', { kind: 'answer', id: '7', attempt: null, ...done(null) }],
    ['{"id":7,"ok":true,"result":{"a":1},"attempt":2}', { id: '7', attempt: 2, ...done('{"a":1}') }],
    ['{"id":"7","ok":false,"error":"no"}', ended('failed', 'no')],
    ['{"id":"7","ok":false,"error":"no","retry":true}', ended('failed', 'no')],
    ['{"id":"7","ok":false,"error":"no","retry":false}', ended('refused', 'no')],
    ['{"id":"7","ok":false,"error":"no","retry":"later"}', ended('deferred', 'no')],
    ['{"id":"7","ok":false,"error":"no","unavailable":true}', ended('unavailable', 'no')],
    ['{"id":"7","ok":false,"error":{"message":"deep"}}', ended('failed', 'deep')],
    ['{"id":"7","ok":false}', ended('failed', 'the handler gave no reason')],
    ['{"id":"7","progress":25}', { kind: 'progress', id: '7', share: 0.25 }],
    ['{"id":"7"}', { kind: 'nonsense' }],
    ['{"ok":true}', { kind: 'nonsense' }],
    ['{"id":null,"ok":true}', { kind: 'nonsense' }],
    ['{"id":"7","progress":"soon"}', { kind: 'nonsense' }],
    ['hello', { kind: 'text' }],
    ['', { kind: 'text' }],
    ['[1]', { kind: 'text' }],
    ["{'python': 'dict'}", { kind: 'text' }],
  ])('%s', (line, expected) => {
    expect(readServiceLine(Buffer.from(line))).toMatchObject(expected);
  });
});

describe('lines', () => {
  function read(maxBytes: number, ...chunks: string[]) {
    const lines: string[] = [];
    let overflows = 0;
    const reader = new LineReader(
      maxBytes,
      (line) => lines.push(line.toString()),
      () => {
        overflows += 1;
      },
    );
    for (const chunk of chunks) reader.push(Buffer.from(chunk));
    return { lines, overflows };
  }

  test('are put together from pieces, and an unfinished one is kept back', () => {
    expect(read(100, 'a', 'b\nc\n\nd', 'e\nf')).toEqual({ lines: ['ab', 'c', '', 'de'], overflows: 0 });
  });

  test('may be as long as allowed and no longer; after that nothing more is read', () => {
    expect(read(5, '12', '345\n', 'ok\n')).toEqual({ lines: ['12345', 'ok'], overflows: 0 });
    expect(read(5, 'ok\n12', '3456', '7\nlost\n')).toEqual({ lines: ['ok'], overflows: 1 });
    expect(read(5, 'ok\n123456\nlost\n')).toEqual({ lines: ['ok'], overflows: 1 });
  });
});
