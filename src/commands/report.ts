import { closeSync, fsyncSync, openSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { DoggedError, EXIT } from '../job/errors.js';
import { type Clock, isoTime, pause } from '../platform/clock.js';
import { plural, sizeText } from '../platform/duration-text.js';
import { escapeLines, escapeText } from '../view/escape.js';
import { createSecretRemover, isSecretName, REMOVED, type SecretRemover } from '../view/secret-remover.js';
import type { CommandModule, CommonOptions } from './command.js';
import { type ReportPart, reportParts } from './report-parts.js';
import { locateSystem } from './system.js';

interface ReportOptions extends CommonOptions {
  readonly withPayloads?: boolean;
}

/** A database that is locked or a diagnosis of a sick machine takes seconds; no part may take the others along. */
const PART_WITHIN_MS = 8_000;

export const reportCommand: CommandModule<ReportOptions> = {
  examples: ['dogged report', 'dogged report - | less', 'dogged report trouble.txt --with-payloads'],
  notes: `One readable file for you alone (0600), in this folder where none is named; nothing is overwritten, "-" is stdout. Works with a
broken config, a locked or damaged database and a worker that hangs: a part that cannot be read says why.
Secrets that are recognised are removed. Read it before you share it: no rule knows them all.
Exit codes: 0 written, 1 not written.`,
  configure(command) {
    command
      .argument('[file]', 'a name that is free, or - for stdout')
      .option('--with-payloads', 'with payload and output of the last failed jobs');
  },
  async run({ args, options, output, clock }) {
    const [given] = args;
    if (given === '-' && options.json === true) {
      const problem = 'A report on stdout is text: say --json or "-", not both.';
      throw new DoggedError('USAGE', { problem, command: 'report' });
    }
    const withPayloads = options.withPayloads === true;
    const place = await locateSystem(options);
    const secrets = createSecretRemover();
    learnFromEnvironment(secrets);
    const parts = reportParts({ ...place, withPayloads, configOption: options.config, clock, secrets });
    const { text, failed } = await compose(parts, withPayloads, secrets, clock);
    if (given === '-') {
      output.print(text);
      return EXIT.ok;
    }
    const stamp = isoTime(clock.wallMs())?.replace(/[:.]/g, '-');
    const file = resolve(given ?? `dogged-report-${stamp}.txt`);
    writeForOwner(file, `${text}\n`);
    const sizeBytes = Buffer.byteLength(text) + 1;
    const removed = text.split(REMOVED).length - 1;
    output.json({ file, sizeBytes, removed, failed });
    output.print(`${escapeText(file)}: ${sizeText(sizeBytes)}, for you alone`);
    output.print(`${plural(removed, 'passage')} removed as secret. ${leftOut(withPayloads)}`);
    if (failed.length > 0) output.print(`Could not be read, and say why: ${failed.join(', ')}`);
    output.print(`Read it before you share it: ${CHECK}`);
    return EXIT.ok;
  },
};

const CHECK =
  'it holds names of files, keys of jobs, and lines of the logs with the last words of handlers; a secret that looks like any other word is not recognised.';

function leftOut(withPayloads: boolean): string {
  return withPayloads
    ? 'Payload and output of the last failed jobs are in it, as you asked.'
    : 'Payloads and output of jobs are left out (--with-payloads).';
}

/** Handlers inherit them, and may have printed them. */
function learnFromEnvironment(secrets: SecretRemover): void {
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && isSecretName(name)) secrets.learn(value);
  }
}

async function compose(
  parts: readonly ReportPart[],
  withPayloads: boolean,
  secrets: SecretRemover,
  clock: Clock,
): Promise<{ readonly text: string; readonly failed: readonly string[] }> {
  const read: { readonly title: string; readonly text: string }[] = [];
  const failed: string[] = [];
  for (const { title, read: readPart } of parts) {
    try {
      read.push({ title, text: await within(readPart, clock) });
    } catch (error) {
      failed.push(title);
      read.push({
        title,
        text: `could not be read: ${error instanceof Error ? error.message : String(error)}`,
      });
    }
  }
  const head = `# dogged report, ${isoTime(clock.wallMs())}

What stood where it says ${REMOVED} was recognised as a secret: values of env, options and settings named like one, parts of
URLs, tokens. ${leftOut(withPayloads)}
Read it before you share it: ${CHECK}`;
  // Only now all secrets are known: the config, which tells most of them, may not be the first part.
  const cleaned = read.map(
    ({ title, text }) => `## ${title}\n\n${escapeLines(secrets.clean(text)).trimEnd()}`,
  );
  return { text: [head, ...cleaned].join('\n\n'), failed };
}

async function within(read: ReportPart['read'], clock: Clock): Promise<string> {
  const over = new AbortController();
  const late = pause(clock, PART_WITHIN_MS, over.signal).then(() => {
    if (!over.signal.aborted) throw new Error(`no answer within ${PART_WITHIN_MS / 1_000} s`);
    return '';
  });
  try {
    return await Promise.race([Promise.resolve().then(read), late]);
  } finally {
    over.abort();
  }
}

function writeForOwner(file: string, text: string): void {
  try {
    const fd = openSync(file, 'wx', 0o600);
    try {
      writeFileSync(fd, text);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const detail = code === 'EEXIST' ? 'there is something of that name' : message;
    throw new DoggedError('REPORT_UNWRITTEN', { file, detail }, { cause: error });
  }
}
