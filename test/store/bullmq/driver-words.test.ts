import { expect, test } from 'vitest';
import { isLoginRefused, withRemedy } from '../../../src/store/bullmq/address.js';
import { plainReason } from '../../../src/store/bullmq/driver-words.js';

test.each([
  ["Socket timeout. Expecting data, but didn't receive any in 20000ms.", 'no answer for 20 s'],
  ['connect ECONNREFUSED 127.0.0.1:6379', 'nothing listens there (ECONNREFUSED)'],
  ['getaddrinfo ENOTFOUND pi', 'there is no host of this name (ENOTFOUND)'],
  ['connect EHOSTUNREACH 10.0.0.9:6379 - Local (10.0.0.2:1)', 'its machine cannot be reached (EHOSTUNREACH)'],
  ['LOADING Redis is loading the dataset in memory', 'it is still reading its data (LOADING)'],
  ['no answer within 2 s', 'no answer within 2 s'],
  ['user is disabled..', 'user is disabled'],
])('what the driver says is told in words for a user: %s', (said, told) => {
  expect(plainReason(said)).toBe(told);
  expect(withRemedy(plainReason(said))).toBe(told);
});

test.each([
  [
    'NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used',
    'it asks for user and password (NOAUTH)',
  ],
  [
    'WRONGPASS invalid username-password pair or user is disabled.',
    'it does not take this user and password, or the user is switched off (WRONGPASS)',
  ],
  [
    "NOPERM this user has no permissions to run the 'eval' command",
    "this user may not do all that dogged does (NOPERM: no permissions to run the 'eval' command)",
  ],
])('a login that is refused is still known as one, in words with what to do: %s', (said, told) => {
  expect(withRemedy(plainReason(said))).toBe(
    `${told}: set DOGGED_REDIS_USERNAME and DOGGED_REDIS_PASSWORD where the worker is started`,
  );
  expect(isLoginRefused(withRemedy(plainReason(said)))).toBe(true);
});
