import { resolve } from 'node:path';
import { EXIT } from '../job/errors.js';
import { appendRecord, readRecord } from './append-record.js';
import type { CommandModule, CommonOptions } from './command.js';
import { readStdin } from './read-stdin.js';

interface AppendCommandOptions extends CommonOptions {
  readonly once?: boolean;
}

export const appendCommand: CommandModule<AppendCommandOptions> = {
  examples: [
    'dogged append ideas_log.json \'{"title":"Moisture alarm"}\'',
    'jq -n \'{title: "Moisture alarm"}\' | dogged append ideas_log.json -   # the record on stdin',
  ],
  notes: [
    'FILE is a JSON array or JSON lines, told apart by its first byte. A missing one is made: as lines when it ends in',
    '.ndjson, .jsonl or .log, else as an array. The record is there whole, or not at all, and processes that append at',
    'the same time wait for one another. Exit codes: 1 the file is refused and left as it was, 64 the record is not one',
    'JSON value, 75 others held the file for too long.',
  ].join('\n'),
  configure(command) {
    command
      .argument('<file>', 'JSON array or JSON lines')
      .argument('[record]', 'one JSON value; "-", or nothing: read it from stdin')
      .option(
        '--once',
        'do nothing if the file holds this very record already (for handlers that may run twice)',
      );
  },
  async run({ args: [given = '', record = '-'], options, output, clock }) {
    const file = resolve(given);
    const bytes = readRecord(record === '-' ? await readStdin('append') : record);
    const result = await appendRecord(file, bytes, { once: options.once === true }, clock);
    output.json({ file, result });
    output.print(result === 'appended' ? `Appended to ${file}` : `${file} holds this record already`);
    return EXIT.ok;
  },
};
