import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT } from '../job/errors.js';
import { isoTime } from '../platform/clock.js';
import { plural } from '../platform/duration-text.js';
import type { StoredReject } from '../store/read-contract.js';
import { escapeText } from '../view/escape.js';
import { truncateText } from '../view/text-width.js';
import type { CommandModule, CommonOptions } from './command.js';
import { refuseUnknownNames } from './known-names.js';
import { newestOnly } from './newest-only.js';
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
    const { configFile, stateFolder } = await locateSystem(options);
    const rejects = await withReader(stateFolder, clock, async (store) => {
      const found = await store.rejects(options.source ?? null, options.limit);
      if (found.length === 0) await refuseUnknownNames(options, configFile, store, 'rejects');
      return found;
    });
    for (const reject of rejects) {
      output.json(shape(reject));
      output.print(text(reject, excerptOf(stateFolder, reject), output.columns));
    }
    output.print(rejects.length === 0 ? 'No record is refused.' : plural(rejects.length, 'record'));
    if (rejects.length === options.limit) output.note(newestOnly(options.limit));
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

function text(
  { source, path, line, offset, key, reason, detail, remedy }: StoredReject,
  excerpt: string | null,
  columns: number,
): string {
  const which = key === null ? '' : ` "${escapeText(key)}"`;
  return [
    `${escapeText(source)}: ${escapeText(path)}${placeText(line, offset)}${which}`,
    ...(excerpt === null ? [] : [`  │ ${truncateText(excerpt, Math.max(20, columns - 4))}`]),
    `  ${escapeText(reason)}: ${escapeText(detail)}`,
    `  ${escapeText(remedy)}`,
    '',
  ].join('\n');
}

/** A file of one line may hold all of its records there: only the byte tells them apart. */
function placeText(line: number | null, offset: number | null): string {
  if (line === null) return offset === null ? '' : ` at byte ${offset}`;
  return line === 1 && offset !== null && offset > 0 ? `:1 at byte ${offset}` : `:${line}`;
}

const EXCERPT_BYTES = 400;

/** The beginning of the copy that the worker kept, on one line; null where it kept none. */
function excerptOf(stateFolder: string, { source, digest }: StoredReject): string | null {
  let copy: Buffer;
  try {
    copy = readFileSync(join(stateFolder, 'rejects', `${source}-${digest.toString('hex', 0, 8)}.txt`));
  } catch {
    return null; // A convenience: not every refused record has one, and it may have been removed.
  }
  const text = copy.toString('utf8', 0, EXCERPT_BYTES).replace(/\s+/g, ' ').trim();
  return text === '' ? null : escapeText(text);
}
