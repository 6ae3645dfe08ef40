import { execFile, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { acquireAppendLock } from '../../src/commands/append-lock.js';
import { type AppendOptions, appendRecord, readRecord } from '../../src/commands/append-record.js';
import { openExisting } from '../../src/commands/append-target.js';
import { replace, stampOf } from '../../src/commands/append-write.js';
import { systemClock } from '../../src/platform/clock.js';
import { bootId, identifyProcess } from '../../src/platform/process-identity.js';
import { builtCli } from '../support/built-program.js';
import { FakeClock } from '../support/fake-clock.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';

const RECORD = '{"title":"New"}';

/** Appends with a clock that runs ahead by itself, so that what waits for a second takes none. */
async function append(file: string, record = RECORD, options: AppendOptions = { once: false }) {
  const clock = new FakeClock();
  let settled = false;
  const result = appendRecord(file, readRecord(record), options, clock).finally(() => {
    settled = true;
  });
  result.catch(() => undefined);
  await new Promise(setImmediate);
  while (!settled) await clock.advance(50);
  return result;
}

function fileWith(content: string | Buffer, name = 'ideas.json'): string {
  const file = join(tempFolder(), name);
  writeFileSync(file, content);
  return file;
}

const cli = (...args: string[]) =>
  spawnSync(process.execPath, [builtCli(), 'append', ...args], { encoding: 'utf8' });

describe('appending to an array', () => {
  it.each([
    ['an empty one', '[]', '[\n{"title":"New"}\n]'],
    ['an empty one on two lines', '[\n]\n', '[\n{"title":"New"}\n]\n'],
    ['a compact one', '[{"a":1},{"b":[2]}]', '[{"a":1},{"b":[2]},{"title":"New"}]'],
    ['an indented one', '[\n  {\n    "a": 1\n  }\n]\n', '[\n  {\n    "a": 1\n  },\n  {"title":"New"}\n]\n'],
    [
      'one with Windows line ends',
      '[\r\n\t{"a":1}\r\n]\r\n',
      '[\r\n\t{"a":1},\r\n\t{"title":"New"}\r\n]\r\n',
    ],
    ['one behind a BOM', '\ufeff[1]', '\ufeff[1,{"title":"New"}]'],
    ['one with brackets in its texts', '["]",{"[":"]"}]\n', '["]",{"[":"]"},{"title":"New"}]\n'],
    [
      'one of numbers that no double can hold',
      '[9007199254740993, 1.0]',
      '[9007199254740993, 1.0,{"title":"New"}]',
    ],
  ])('keeps every byte that was there: %s', async (_, before, after) => {
    const file = fileWith(before);
    expect(await append(file)).toBe('appended');
    expect(readFileSync(file, 'utf8')).toBe(after);
  });

  it('keeps mode and bytes that are no UTF-8, and leaves nothing else behind', async () => {
    const file = fileWith(Buffer.concat([Buffer.from('["caf'), Buffer.from([0xe9]), Buffer.from('"]')]));
    chmodSync(file, 0o640);
    await append(file);
    expect(readFileSync(file).subarray(0, 7)).toEqual(
      Buffer.concat([Buffer.from('["caf'), Buffer.from([0xe9, 0x22])]),
    );
    expect(statSync(file).mode & 0o777).toBe(0o640);
    expect(readdirSync(dirname(file))).toEqual(['ideas.json']);
  });

  it('writes the record compact, with the digits as they were given', async () => {
    const file = fileWith('[]');
    await append(file, ' { "id" : 9007199254740993,\n "price": 1.0, "text": "a  b\\u00e9" } ');
    expect(readFileSync(file, 'utf8')).toBe('[\n{"id":9007199254740993,"price":1.0,"text":"a  b\\u00e9"}\n]');
  });
});

describe('appending to JSON lines', () => {
  it.each([
    ['lines', '{"a":1}\n', '{"a":1}\n{"title":"New"}\n'],
    ['lines with Windows line ends', '{"a":1}\r\n', '{"a":1}\r\n{"title":"New"}\n'],
    [
      'a last line that nobody has finished for a second',
      '{"a":1}\n{"b":',
      '{"a":1}\n{"b":\n{"title":"New"}\n',
    ],
    ['a broken first line', 'oops\n{"a":1}\n', 'oops\n{"a":1}\n{"title":"New"}\n'],
    ['one line without its end', '{"a":1}', '{"a":1}\n{"title":"New"}\n'],
  ])('adds a line of its own: %s', async (_, before, after) => {
    const file = fileWith(before);
    await append(file);
    expect(readFileSync(file, 'utf8')).toBe(after);
  });

  it('adds it in place, so that who has the file open reads on', async () => {
    const file = fileWith('{"a":1}\n');
    const { ino } = statSync(file);
    await append(file);
    expect(statSync(file).ino).toBe(ino);
  });
});

describe('a file that is not there', () => {
  it.each([
    ['ideas.json', '[\n{"title":"New"}\n]\n'],
    ['ideas', '[\n{"title":"New"}\n]\n'],
    ['ideas.ndjson', '{"title":"New"}\n'],
    ['ideas.jsonl', '{"title":"New"}\n'],
    ['IDEAS.LOG', '{"title":"New"}\n'],
  ])('is made: %s', async (name, content) => {
    const file = join(tempFolder(), name);
    await append(file);
    expect(readFileSync(file, 'utf8')).toBe(content);
    expect(statSync(file).mode & 0o777).toBe(0o666 & ~process.umask());
  });

  it('is not made where there is no folder', async () => {
    const file = join(tempFolder(), 'nowhere', 'ideas.json');
    await expect(append(file)).rejects.toMatchObject({ code: 'APPEND_REFUSED', exitCode: 1 });
    expect(existsSync(dirname(file))).toBe(false);
  });
});

describe('what is refused, and left as it was', () => {
  it.each([
    ['an array that ends too early', '[{"a":1},{"b"'],
    ['an array with a comma too many', '[{"a":1},]'],
    ['an array with comments', '[ // one\n 1]'],
    ['two arrays', '[1][2]'],
    ['one object over several lines', '{\n  "a": 1\n}\n'],
    ['text', 'shopping list\n- milk\n'],
    ['zeros after a power cut', Buffer.alloc(64)],
  ])('%s', async (_, content) => {
    const file = fileWith(content);
    const { mtimeNs, ino } = statSync(file, { bigint: true });
    await expect(append(file)).rejects.toMatchObject({ code: 'APPEND_REFUSED' });
    expect(readFileSync(file)).toEqual(Buffer.from(content));
    expect(statSync(file, { bigint: true })).toMatchObject({ mtimeNs, ino });
    expect(readdirSync(dirname(file))).toEqual(['ideas.json']);
  });

  it.each([
    ['a symbolic link', (path: string) => symlinkSync('elsewhere.json', path)],
    [
      'a symbolic link to lines, which could be appended to in place',
      (path: string) => {
        writeFileSync(join(dirname(path), 'lines.ndjson'), '1\n');
        symlinkSync('lines.ndjson', path);
      },
    ],
    ['a link to nothing', (path: string) => symlinkSync('nothing.json', path)],
    ['a second name of a file', (path: string) => linkSync(join(dirname(path), 'elsewhere.json'), path)],
    ['a folder', (path: string) => mkdirSync(path)],
    ['a pipe', (path: string) => void spawnSync('mkfifo', [path])],
  ])('%s', async (_, make) => {
    const elsewhere = fileWith('[1]', 'elsewhere.json');
    const file = join(dirname(elsewhere), 'ideas.json');
    make(file);
    await expect(append(file)).rejects.toMatchObject({ code: 'APPEND_REFUSED' });
    expect(readFileSync(elsewhere, 'utf8')).toBe('[1]');
    expect(existsSync(join(dirname(elsewhere), 'nothing.json'))).toBe(false);
    const lines = join(dirname(elsewhere), 'lines.ndjson');
    if (existsSync(lines)) expect(readFileSync(lines, 'utf8')).toBe('1\n');
  });

  it.each(['', '{', '{"a":1} {"b":2}', 'NaN', "{'a': 1}"])(
    'a record that is not one JSON value: %j',
    (record) => {
      const file = fileWith('[]');
      const { status, stderr } = cli(file, record);
      expect({ status, content: readFileSync(file, 'utf8') }).toEqual({ status: 64, content: '[]' });
      expect(stderr).toContain('The payload is refused');
    },
  );

  it.each(['[1]', '{"a":1}\n'])('a file on a full disk: %j', (content) => {
    // A limit on file sizes fails a write in its middle, as a full disk does.
    const file = fileWith(content.padEnd(1_000));
    const before = readFileSync(file);
    const record = JSON.stringify({ title: 'x'.repeat(200) });
    const limited = `trap '' XFSZ; ulimit -f 1; exec "$0" "$@"`;
    const { status, stderr } = spawnSync(
      'bash',
      ['-c', limited, process.execPath, builtCli(), 'append', file, record],
      { encoding: 'utf8' },
    );
    expect(stderr).toContain('Nothing was appended');
    expect(status).toBe(1);
    expect(readFileSync(file)).toEqual(before);
    expect(readdirSync(dirname(file))).toEqual(['ideas.json']);
  });
});

describe('a file that somebody writes meanwhile', () => {
  it.each(['', '[{"theirs":', '{"theirs": 1,\n'])('is waited for: %j', async (half) => {
    const file = fileWith(half);
    const clock = new FakeClock();
    const result = appendRecord(file, readRecord(RECORD), { once: false }, clock);
    await clock.advance(300);
    writeFileSync(file, '[{"theirs":1}]');
    await clock.advance(300);
    expect(await result).toBe('appended');
    expect(readFileSync(file, 'utf8')).toBe('[{"theirs":1},{"title":"New"}]');
  });

  it('is never replaced by what was read before', () => {
    const file = fileWith('[1]');
    const fd = openExisting(file) ?? 0;
    const stamp = stampOf(fd);
    writeFileSync(file, '[1,2]');
    const lock = { tempFile: `${file}.temp`, release: () => undefined };
    expect(replace(file, fd, stamp, Buffer.from('[1,"ours"]'), lock)).toBe('again');
    expect(readFileSync(file, 'utf8')).toBe('[1,2]');
  });

  it('one that stays empty for a second becomes an array', async () => {
    const file = fileWith('');
    await append(file);
    expect(readFileSync(file, 'utf8')).toBe('[\n{"title":"New"}\n]\n');
  });
});

describe('--once', () => {
  it.each([
    ['[ { "title" : "New" } , 1]', 'ideas.json'],
    ['{"title": "New"}\n{"b":1}\n', 'ideas.ndjson'],
    ['{"b":1}\n{"title":"New"}', 'ideas.ndjson'],
  ])('does nothing where the record is: %j', async (content, name) => {
    const file = fileWith(content, name);
    expect(await append(file, RECORD, { once: true })).toBe('present');
    expect(readFileSync(file, 'utf8')).toBe(content);
  });

  it.each([
    ['[{"x":[{"title":"New"}]},"{\\"title\\":\\"New\\"}"]', RECORD],
    ['[{"x":[0,{"title":"New"},2]}]', RECORD],
    ['[{"id":9007199254740992}]', '{"id":9007199254740993}'],
    ['[{"title":"New","more":1}]', RECORD],
    ['[]', RECORD],
  ])('is not misled by what only looks alike: %j', async (content, record) => {
    expect(await append(fileWith(content), record, { once: true })).toBe('appended');
  });
});

describe('several at the same time', () => {
  /** Appends `times` records from a process of its own. */
  const appender = (file: string, who: number, times: number) =>
    promisify(execFile)(process.execPath, [
      '--input-type=module',
      '-e',
      `
      const { appendRecord } = await import(${JSON.stringify(join(dirname(builtCli()), 'commands/append-record.js'))});
      const { systemClock } = await import(${JSON.stringify(join(dirname(builtCli()), 'platform/clock.js'))});
      for (let i = 0; i < ${times}; i += 1) {
        await appendRecord(${JSON.stringify(file)}, Buffer.from(JSON.stringify({ who: ${who}, i })), { once: false }, systemClock);
      }`,
    ]);

  it.each(['ideas.json', 'ideas.ndjson'])(
    'ten processes lose nothing: %s',
    async (name) => {
      const file = join(tempFolder(), name);
      await Promise.all(Array.from({ length: 10 }, (_, who) => appender(file, who, 6)));
      const text = readFileSync(file, 'utf8');
      const records: { who: number; i: number }[] = name.endsWith('ndjson')
        ? text
            .trimEnd()
            .split('\n')
            .map((line) => JSON.parse(line))
        : JSON.parse(text);
      expect(records).toHaveLength(60);
      for (let who = 0; who < 10; who += 1) {
        expect(records.filter((record) => record.who === who).map((record) => record.i)).toEqual([
          0, 1, 2, 3, 4, 5,
        ]);
      }
      expect(readdirSync(dirname(file))).toEqual([name]);
    },
    60_000,
  );

  it('one that is killed between writing and renaming leaves the file as it was, and nobody waits for it', async () => {
    const file = fileWith('[1]');
    const env = { ...process.env, DOGGED_FAILPOINT: 'append.before-rename' };
    const killed = spawnSync(process.execPath, [builtCli(), 'append', file, RECORD], { env });
    expect(killed.signal).toBe('SIGKILL');
    expect(readFileSync(file, 'utf8')).toBe('[1]');
    expect(readdirSync(dirname(file)).sort()).toEqual(['.ideas.json.lock', 'ideas.json']);
    expect(cli(file, RECORD).status).toBe(0);
    expect(readFileSync(file, 'utf8')).toBe('[1,{"title":"New"}]');
    expect(readdirSync(dirname(file))).toEqual(['ideas.json']);
  });

  it.each([
    ['the ticket of a process that is alive is waited for, and then the answer is "try again"', 1],
    ['so is a process that is still drawing its ticket: it may be a lower one', 0],
  ])('%s', async (_, number) => {
    const file = fileWith('[1]');
    const holder = spawn('sleep', ['60']);
    try {
      const owner = await until(() => identifyProcess(holder.pid ?? 0));
      mkdirSync(join(dirname(file), '.ideas.json.lock'));
      const ticket = `${number}.${owner.pid}.${owner.startTicks}.${owner.bootId}.0a0a0a0a`;
      writeFileSync(join(dirname(file), '.ideas.json.lock', ticket), '');
      await expect(append(file)).rejects.toMatchObject({ code: 'APPEND_BUSY', exitCode: 75 });
      expect(readFileSync(file, 'utf8')).toBe('[1]');
    } finally {
      holder.kill('SIGKILL');
    }
    expect(await append(file)).toBe('appended');
  });

  it.each([
    [
      'of another boot',
      () => ({
        pid: process.pid,
        ticks: identifyProcess(process.pid)?.startTicks,
        boot: '00000000-0000-4000-8000-000000000000',
      }),
    ],
    ['whose pid was given away again', () => ({ pid: process.pid, ticks: 1, boot: bootId() })],
  ])('the ticket of a process %s counts for nothing', async (_, made) => {
    const file = fileWith('[1]');
    const { pid, ticks, boot } = made();
    const folder = join(dirname(file), '.ideas.json.lock');
    mkdirSync(folder);
    writeFileSync(join(folder, `1.${pid}.${ticks}.${boot}.0a0a0a0a`), '');
    expect(await append(file)).toBe('appended');
    expect(existsSync(folder)).toBe(false);
  });

  it('the second waits until the first has released', async () => {
    const file = fileWith('[1]');
    const first = await acquireAppendLock(file, systemClock, 1_000);
    expect(first).toHaveProperty('release');
    const second = acquireAppendLock(file, systemClock, 5_000);
    const early = await Promise.race([second, new Promise((done) => setTimeout(() => done('waits'), 50))]);
    expect(early).toBe('waits');
    if ('release' in first) first.release();
    const then = await second;
    if ('release' in then) then.release();
    expect(readdirSync(dirname(file))).toEqual(['ideas.json']);
  });
});

describe('dogged append', () => {
  it('takes the record as an argument or on stdin, and answers in JSON when asked', () => {
    const file = join(tempFolder(), 'ideas.json');
    expect(cli(file, '{"a":1}')).toMatchObject({ status: 0, stdout: `Appended to ${file}\n`, stderr: '' });
    for (const dash of [['-'], []]) {
      const { status, stdout } = spawnSync(
        process.execPath,
        [builtCli(), 'append', '--json', '--once', file, ...dash],
        {
          input: '\ufeff{"b": 2}\n',
          encoding: 'utf8',
        },
      );
      expect({ status, answer: JSON.parse(stdout) }).toMatchObject({ status: 0, answer: { file } });
    }
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual([{ a: 1 }, { b: 2 }]);
    expect(cli('--once', file, '{"b":2}').stdout).toBe(`${file} holds this record already\n`);
  });

  it('refuses stdin that is not UTF-8', () => {
    const file = fileWith('[]');
    const { status } = spawnSync(process.execPath, [builtCli(), 'append', file, '-'], {
      input: Buffer.from([0x22, 0xe9, 0x22]),
    });
    expect({ status, content: readFileSync(file, 'utf8') }).toEqual({ status: 64, content: '[]' });
  });
});
