import { describe, expect, test } from 'vitest';
import { configWithoutSecrets, learnFromText } from '../../src/view/config-without-secrets.js';
import { createSecretRemover, isSecretName } from '../../src/view/secret-remover.js';

const clean = (text: string) => createSecretRemover().clean(text);

describe('text', () => {
  test.each([
    ['curl -H "Authorization: Bearer abc.def-123"', 'curl -H "Authorization: [removed]"'],
    ['{"authorization":"Basic dXNlcjpwYXNz"}', '{"authorization":"[removed]"}'],
    ['authorization=Token 12ab and more', 'authorization=[removed] and more'],
    ['got bearer 0123456789abcdef!', 'got bearer [removed]!'],
    ['Set-Cookie: sid=1; Path=/', 'Set-Cookie: [removed]'],
    ['redis://user:word@host:6379/0', 'redis://[removed]@host:6379/0'],
    ['https://name@host/path is up', 'https://[removed]@host/path is up'],
    ['GET https://host/a/b?key=1&x=2 failed', 'GET https://host/a/b?[removed] failed'],
    ['run --token=hunter2 --out x', 'run --token=[removed] --out x'],
    ['run --api-key hunter2 now', 'run --api-key [removed] now'],
    ['DB_PASSWORD=hunter2 and', 'DB_PASSWORD=[removed] and'],
    ['{"apiKey":"hunter2","id":7}', '{"apiKey":"[removed]","id":7}'],
    ['"{\\"password\\": \\"hunter2\\"}"', '"{\\"password\\": \\"[removed]\\"}"'],
    ['{"passphrase":"two or three words"}', '{"passphrase":"[removed]"}'],
    ["--password 'two words' --out x", "--password '[removed]' --out x"],
    ['failed: token=hunter2', 'failed: token=[removed]'],
    ['{"msg":"exit 1: password: hunter2","id":1}', '{"msg":"exit 1: password: [removed]","id":1}'],
    ['--out --token hunter2', '--out --token [removed]'],
    ['ghp_0123456789abcdefghij0123', '[removed]'],
    ['xoxb-12345678901-abcdef', '[removed]'],
    ['key sk-proj-abcdefghijklmnop end', 'key [removed] end'],
    ['AKIAABCDEFGHIJKLMNOP', '[removed]'],
    ['eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln', '[removed]'],
    ['see Ab3dEf6hIj9lMn2pQr5t here', 'see [removed] here'],
    ['-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\nafter', '[removed]\nafter'],
    ['-----BEGIN PRIVATE KEY-----\\nabc cut off', '[removed]'],
  ])('%j becomes %j', (given, expected) => {
    expect(clean(given)).toBe(expected);
    expect(clean(expected)).toBe(expected);
  });

  test.each([
    'the token is missing, and a password was not asked for',
    '/home/pi/garage/node_modules/better-sqlite3/build/Release/better_sqlite3.node',
    'state/hang-2026-11-26T18-08-57-744Z.json',
    'boot 858270d2-59dc-43c5-97cd-5bca04bf7029, sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    'key: title, task: implement, group: base_project_name',
    'connect to http://127.0.0.1:11435/ failed',
    '{"source":"ideas","queued":3,"open":0}',
    'jobs_expiring INDEXED BY jobs_ready',
  ])('%j stays as it is', (text) => {
    expect(clean(text)).toBe(text);
  });

  test('what was learned is removed as it is, in JSON, in a URL, in base64, and where the text was cut', () => {
    const secrets = createSecretRemover();
    secrets.learn('so "long" & far');
    secrets.learn('1');
    const forms = [
      'said so "long" & far, once',
      JSON.stringify({ said: 'so "long" & far' }),
      encodeURIComponent('so "long" & far'),
      Buffer.from('so "long" & far').toString('base64'),
      'exit 1: so "long… and so on',
    ];
    for (const form of forms) expect(secrets.clean(form)).not.toMatch(/long|bG9uZ/);
    expect(secrets.clean('exit 1: so "long… and so on')).toBe('exit 1: [removed]… and so on');
    expect(secrets.clean('1 of 11')).toBe('1 of 11');
  });

  test('what stands beside something that was removed already goes, too', () => {
    const secrets = createSecretRemover();
    secrets.learn('known-one');
    expect(secrets.clean('GET http://h/p?a=known-one&sig=other failed')).toBe(
      'GET http://h/p?[removed] failed',
    );
    expect(secrets.clean('password=known-one+other!')).not.toContain('other');
  });

  test('a hostile text takes no longer than its length', () => {
    const before = performance.now();
    for (const piece of ['a', 'a:', '-----BEGIN ', 'https://', 'Ab1', '"token":', '--', ' '])
      clean(piece.repeat(20_000));
    expect(performance.now() - before).toBeLessThan(4_000);
  });
});

test('a name tells a secret by its words, and not by a part of one', () => {
  for (const name of [
    'TOKEN',
    'githubToken',
    'x-api-key',
    'DB_PASSWORD',
    'client.secret',
    'AWS_SECRET_ACCESS_KEY',
  ])
    expect([name, isSecretName(name)]).toEqual([name, true]);
  for (const name of [
    'PWD',
    'key',
    'author',
    'tokenizer',
    'keyboard',
    'secretary',
    'PATH',
    'passes',
    'groupBy',
  ])
    expect([name, isSecretName(name)]).toEqual([name, false]);
});

test('of a config the names stay, and what it keeps for programs alone goes, here and wherever it stands later', () => {
  const secrets = createSecretRemover();
  const config = {
    sources: { ideas: { log: './ideas.json', key: 'title', task: 'build' } },
    tasks: {
      build: {
        run: [
          'curl',
          '-u',
          'me:word-1',
          '--token=word-2',
          '-H',
          'Authorization: Bearer word-3',
          '--secret',
          'word-4',
        ],
        env: { MODEL: 'word-5', DEBUG: true, PORT: 1 },
      },
    },
    store: 'redis://user:word-6@host/0',
    alerts: [{ webhook: 'https://hooks.example.org/services/word-7/word-8?word-9' }],
    apiKey: 'word-10',
  };
  const shown = JSON.stringify(configWithoutSecrets(config, secrets, { withPayloads: false }));
  expect(shown).not.toMatch(/word-/);
  expect(JSON.parse(shown)).toMatchObject({
    sources: config.sources,
    tasks: {
      build: {
        run: [
          'curl',
          '-u',
          '[removed]',
          '--token=[removed]',
          '-H',
          'Authorization: [removed]',
          '--secret',
          '[removed]',
        ],
        env: { MODEL: '[removed]' },
      },
    },
    store: 'redis://[removed]@host/0',
    alerts: [{ webhook: 'https://hooks.example.org/[removed]' }],
  });
  for (const n of [1, 2, 3, 4, 5, 6, 10])
    expect(secrets.clean(`it said word-${n}.`)).toBe('it said [removed].');
});

test('a config that nobody can read still tells what to remove elsewhere', () => {
  const secrets = createSecretRemover();
  learnFromText(
    'tasks: { a: { env: { MY_VALUE: "word-one", OTHER: word-two }, run: [x, --token=word-three, --secret, word-five] }\n  password: word-four\n',
    secrets,
  );
  expect(secrets.clean('word-one word-two word-three word-four word-five words')).toBe(
    '[removed] [removed] [removed] [removed] [removed] words',
  );
});
