import { expect, test } from 'vitest';
import { type ClockMoment, type ClockTrustRules, judgeClock } from '../../src/policy/clock-trust.js';

const rules: ClockTrustRules = { trust: 'auto', timeoutMs: 120_000 };
const NOW = Date.UTC(2026, 5, 1);
const fine: ClockMoment = {
  wallMs: NOW,
  knownPastMs: NOW - 30_000,
  hasChip: false,
  synchronised: 'unsaid',
  upMs: 10_000,
  distrustedForMs: null,
};
const behind = { wallMs: 0 };
const adrift = { synchronised: 'no' } as const;

test.each<[string, Partial<ClockMoment>, Partial<ClockTrustRules>, object]>([
  ['nothing speaks against it', {}, {}, { is: 'trusted' }],
  ['it stands before a time that is over', behind, {}, { is: 'suspect', believedInMs: 120_000 }],
  ['… but the config says always', behind, { trust: 'always' }, { is: 'trusted' }],
  ['… but it is synchronised', { ...behind, synchronised: 'yes' }, {}, { is: 'trusted' }],
  [
    '… for a minute by now',
    { ...behind, distrustedForMs: 60_000 },
    {},
    { is: 'suspect', believedInMs: 60_000 },
  ],
  ['… as long as the time-out', { ...behind, distrustedForMs: 120_000 }, {}, { is: 'believed' }],
  ['… and the machine has a chip', { ...behind, hasChip: true }, {}, { is: 'suspect' }],
  ['… and the machine has been up for long', { ...behind, upMs: 9e9 }, {}, { is: 'suspect' }],
  ['… and there is no time-out', behind, { timeoutMs: 0 }, { is: 'believed' }],
  ['it is a little behind, as a steered clock is', { wallMs: NOW - 31_000 }, {}, { is: 'trusted' }],
  ['it is more than a second behind', { wallMs: NOW - 31_001 }, {}, { is: 'suspect' }],
  [
    'it is not synchronised, has no chip, and the boot was just now',
    adrift,
    {},
    { is: 'suspect', believedInMs: 110_000 },
  ],
  ['… but a chip kept it', { ...adrift, hasChip: true }, {}, { is: 'trusted' }],
  ['… but the config says always', adrift, { trust: 'always' }, { is: 'trusted' }],
  ['… and the machine has been up for longer', { ...adrift, upMs: 120_000 }, {}, { is: 'trusted' }],
  [
    '… and has been distrusted until now',
    { ...adrift, upMs: 120_000, distrustedForMs: 100_000 },
    {},
    { is: 'believed' },
  ],
  ['the machine does not say whether it is synchronised', { synchronised: 'unsaid' }, {}, { is: 'trusted' }],
])('when %s', (_when, moment, different, expected) => {
  expect(judgeClock({ ...rules, ...different }, { ...fine, ...moment })).toMatchObject(expected);
});

test('a clock that is behind is told with both times', () => {
  const judged = judgeClock(rules, { ...fine, wallMs: 40_000 });
  const why = 'it says 1970-01-01T00:00:40Z, and 2026-05-31T23:59:30Z is over already';
  expect(judged).toMatchObject({ why });
});
