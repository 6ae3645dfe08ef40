import { EXIT } from '../job/errors.js';
import { isoTime } from '../platform/clock.js';
import type { StoredReject } from '../store/read-contract.js';
import { plural } from '../view/duration-text.js';
import { escapeText } from '../view/escape.js';
import type { CommandModule, CommonOptions } from './command.js';
import { wholeNumber } from './option-values.js';
import { locateSystem, withReader } from './system.js';

interface RejectsOptions extends CommonOptions {
  readonly source?: string;
  readonly limit: number;
}

const DEFAULT_LIMIT = 100;

export const rejectsCommand: CommandModule<RejectsOptions> = {
  examples: ['dogged rejects --source ideas', 'dogged rejects --json | jq -r .reason | sort | uniq -c'],
  notes: 'A record leaves this list when its file is read again and holds it no more, or mended.',
  configure(command) {
    command
      .option('--source <source>', 'only those of this source')
      .option('--limit <n>', 'at most so many, the newest first', wholeNumber(1), DEFAULT_LIMIT);
  },
  async run({ options, output, clock }) {
    const { stateFolder } = await locateSystem(options);
    const rejects = await withReader(stateFolder, clock, (store) =>
      store.rejects(options.source ?? null, options.limit),
    );
    for (const reject of rejects) {
      output.json(shape(reject));
      output.print(text(reject));
    }
    output.print(rejects.length === 0 ? 'No record is refused.' : plural(rejects.length, 'record'));
    if (rejects.length === options.limit)
      output.note(`These are the newest ${options.limit}; there may be more: --limit N`);
    return EXIT.ok;
  },
};

function shape({
  source,
  path,
  line,
  offset,
  lengthBytes,
  key,
  reason,
  detail,
  remedy,
  atMs,
}: StoredReject): object {
  return { source, path, line, offset, length: lengthBytes, key, reason, detail, remedy, at: isoTime(atMs) };
}

function text({ source, path, line, offset, key, reason, detail, remedy }: StoredReject): string {
  const place = line !== null ? `:${line}` : offset !== null ? ` at byte ${offset}` : '';
  const which = key === null ? '' : ` "${escapeText(key)}"`;
  return [
    `${escapeText(source)}: ${escapeText(path)}${place}${which}`,
    `  ${escapeText(reason)}: ${escapeText(detail)}`,
    `  ${escapeText(remedy)}`,
    '',
  ].join('\n');
}
