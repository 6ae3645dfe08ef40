import { expect, test } from 'vitest';
import { remedyFor } from '../../src/view/remedy.js';

test.each([
  ['Start it with: dogged start', 'Start it with: dogged start -c garage.yaml'],
  ['dogged prune --older-than 30d', 'dogged prune -c garage.yaml --older-than 30d'],
  [
    'See: dogged status. End it: dogged stop',
    'See: dogged status -c garage.yaml. End it: dogged stop -c garage.yaml',
  ],
  ['Write one with: dogged init', 'Write one with: dogged init'],
  ['See: dogged wait --help', 'See: dogged wait --help'],
  ['Stop dogged, keep a copy', 'Stop dogged, keep a copy'],
  ['ls -ld /srv/dogged state', 'ls -ld /srv/dogged state'],
])('whoever named a config is told to name it again in: %s', (text, advised) => {
  expect(remedyFor('garage.yaml')(text)).toBe(advised);
  expect(remedyFor(undefined)(text)).toBe(text);
});

test('a file with spaces and quotes can be copied into a shell', () => {
  expect(remedyFor("the boss's.yaml")('dogged start')).toBe("dogged start -c 'the boss'\\''s.yaml'");
});
