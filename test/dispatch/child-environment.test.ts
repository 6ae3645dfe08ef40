import { dirname } from 'node:path';
import { expect, test } from 'vitest';
import { attemptEnvironment, inheritedEnvironment } from '../../src/dispatch/child-environment.js';
import type { Claim } from '../../src/store/contract.js';
import { commandTask } from './rig.js';

test('of our own environment only what is allowed is handed down', () => {
  const own = {
    PATH: '/bin',
    HOME: '/home/me',
    LANG: 'C.UTF-8',
    LC_ALL: 'C',
    LC_lower: 'no',
    NODE_OPTIONS: '--inspect',
    REDIS_PASSWORD: 'secret',
    DOGGED_STORE_ID: 'of somebody else',
  };
  expect(inheritedEnvironment(own)).toEqual({
    PATH: `/bin:${dirname(process.execPath)}`,
    HOME: '/home/me',
    LANG: 'C.UTF-8',
    LC_ALL: 'C',
  });
});

test('node is found also when there is no PATH at all, and is not put in twice', () => {
  const folder = dirname(process.execPath);
  expect(inheritedEnvironment({})['PATH']?.split(':')).toContain(folder);
  expect(inheritedEnvironment({ PATH: `${folder}:/bin` })['PATH']).toBe(`${folder}:/bin`);
});

test('a key that holds a NUL does not keep its job from starting', () => {
  const claim = { id: '1', key: 'a\0b', source: 's', attempt: 1, workspace: 'w' } as Claim;
  const task = commandTask('t', ['true'], { env: { DOGGED_KEY: 'forged', OWN: 'x' } });
  expect(attemptEnvironment(claim, task, '/state')).toEqual({
    OWN: 'x',
    DOGGED_TASK: 't',
    DOGGED_STATE_DIR: '/state',
    DOGGED_BIN: expect.stringMatching(/cli\.js$/),
    DOGGED_JOB_ID: '1',
    DOGGED_KEY: 'a\uFFFDb',
    DOGGED_SOURCE: 's',
    DOGGED_ATTEMPT: '1',
    DOGGED_WORKSPACE: 'w',
  });
});
