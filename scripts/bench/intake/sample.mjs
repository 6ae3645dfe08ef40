// The records and sources that the intake benchmarks read.
import { closeSync, openSync, writeSync } from 'node:fs';

/** About 300 bytes, with strings, escapes, numbers and two levels. */
export const record = (id) => ({
  id: `idea-${id}`,
  title: `Idea number ${id}`,
  description: 'A sentence or two about what it is, with "quotes" and a path C:\\temp. '.repeat(2),
  language: ['rust', 'javascript', 'python'][id % 3],
  tags: ['a', 'b'],
  size: { files: id % 7, weight: id * 1.5, parent: null },
});

export const source = (changes) => ({
  name: 'bench',
  workspace: 'default',
  pollMs: 1_000,
  task: 'work',
  priority: 0,
  key: 'id',
  version: null,
  onChange: 'ignore',
  require: null,
  route: [],
  quarantineAfterMs: 60_000,
  maxRecordBytes: 1024 * 1024,
  maxDepth: 64,
  followSymlinks: false,
  network: false,
  kind: 'log',
  match: '*.json',
  exclude: [],
  after: 'keep',
  ...changes,
});

export const tasks = [{ name: 'work', group: null, retry: { attempts: 3 } }];

/** Writes a log of at least so many bytes; returns how many records it holds. */
export function makeLog(path, format, sizeBytes, makeRecord = record) {
  const fd = openSync(path, 'w');
  const isArray = format === 'array';
  let id = 0;
  let size = isArray ? writeSync(fd, '[') : 0;
  while (size < sizeBytes) {
    const lines = [];
    for (let bytes = 0; bytes < 1e6 && size + bytes < sizeBytes; ) {
      const text = JSON.stringify(makeRecord(id));
      lines.push(isArray && id > 0 ? `,\n${text}` : isArray ? text : `${text}\n`);
      bytes += text.length + 2;
      id += 1;
    }
    size += writeSync(fd, lines.join(''));
  }
  if (isArray) writeSync(fd, '\n]');
  closeSync(fd);
  return id;
}
