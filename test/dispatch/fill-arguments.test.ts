import { expect, test } from 'vitest';
import { fillArguments } from '../../src/dispatch/fill-arguments.js';

const PAYLOAD = {
  file: 'a b.wav',
  n: 1.5,
  yes: true,
  'odd name': 'odd',
  nested: { deep: ['x', 'y'], 'a/b': 'slash' },
  dash: '-rf',
  empty: '',
  nothing: null,
  big: 2 ** 60,
  nul: 'a\0b',
};

function fill(...argv: string[]) {
  return fillArguments(['program', ...argv], () => PAYLOAD);
}

test.each([
  [['{{file}}'], ['a b.wav']],
  [['{{ file }}'], ['a b.wav']],
  [
    ['--in={{file}}', 'n={{n}},{{yes}}'],
    ['--in=a b.wav', 'n=1.5,true'],
  ],
  [['{{odd name}}'], ['odd']],
  [
    ['{{/nested/deep/1}}', '{{/nested/a~1b}}'],
    ['y', 'slash'],
  ],
  [['{{empty}}'], ['']],
  [
    ['--', '{{dash}}'],
    ['--', '-rf'],
  ],
  [['x{{dash}}'], ['x-rf']],
  [['-{{file}}'], ['-a b.wav']],
  [
    ['{file}', '{{}}', '}}{{'],
    ['{file}', '{{}}', '}}{{'],
  ],
])('%j becomes %j', (argv, filled) => {
  expect(fill(...argv)).toEqual({ ok: true, argv: ['program', ...filled] });
});

test.each([
  ['{{dash}}', '"-"'],
  ['{{empty}}{{dash}}', '"-"'],
  ['{{missing}}', 'not in the payload'],
  ['{{/nested/deep/9}}', 'not in the payload'],
  ['{{toString}}', 'not in the payload'],
  ['{{nested}}', 'not text'],
  ['{{nothing}}', 'not text'],
  ['{{big}}', 'exactly'],
  ['{{nul}}', 'NUL'],
])('%s is refused', (argument, reason) => {
  expect(fill(argument)).toEqual({ ok: false, reason: expect.stringContaining(reason) });
});

test('only a whole argument "--" opens the way for a dash', () => {
  expect(fill('--x', '{{dash}}').ok).toBe(false);
  expect(fill('{{dash}}', '--').ok).toBe(false);
});

test('the program is never filled, and a command without fields does not read its payload', () => {
  const fail = () => {
    throw new Error('read');
  };
  expect(fillArguments(['{{file}}', 'x'], fail)).toEqual({ ok: true, argv: ['{{file}}', 'x'] });
});

test('a payload that is no object has no fields', () => {
  expect(fillArguments(['p', '{{a}}'], () => 'text').ok).toBe(false);
  expect(fillArguments(['p', '{{a}}'], () => null).ok).toBe(false);
});
