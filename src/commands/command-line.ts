import { DoggedError, EXIT } from '../job/errors.js';
import { systemClock } from '../platform/clock.js';
import { escapeLines } from '../view/escape.js';
import { type Remedy, remedyFor } from '../view/remedy.js';
import { findCommand } from './catalogue.js';
import type { CommandModule, CommonOptions } from './command.js';
import { createOutput, type Streams } from './output.js';

/**
 * Runs one command line (without `node` and the script) and returns its exit code. Never throws and never exits: what
 * went wrong has been said on stderr.
 */
export async function runCommandLine(argv: readonly string[], streams: Streams): Promise<number> {
  const complain = (text: string) => void streams.stderr.write(`${escapeLines(text.trimEnd())}\n`);
  let config: string | undefined;
  const run = (module: CommandModule, args: readonly string[], options: CommonOptions) => {
    config = options.config;
    const output = createOutput(streams, options.json === true);
    return module.run({ args, options, output, clock: systemClock });
  };
  try {
    const entry = findCommand(namedCommand(argv) ?? '');
    const module = await entry?.load();
    if (module !== undefined && (module.plainLine === true || module.configure === undefined)) {
      const options = readPlainOptions(argv);
      if (options !== null) return await run(module, [], options);
    }
    const { parseCommand, showUsage } = await import('./parse-command-line.js');
    if (entry === undefined || module === undefined) return showUsage(argv, streams, complain);
    const parsed = parseCommand(argv, { entry, module }, streams, complain);
    return 'exitCode' in parsed ? parsed.exitCode : await run(module, parsed.args, parsed.options);
  } catch (error) {
    return explain(error, remedyFor(config), complain, streams.env);
  }
}

/** The first operand: the command, or what `help` is asked about. */
function namedCommand(argv: readonly string[]): string | undefined {
  const operands: string[] = [];
  for (let i = 0; i < argv.length && operands.length < 2; i += 1) {
    const word = argv[i] ?? '';
    if (word === '-c' || word === '--config') i += 1;
    else if (!word.startsWith('-')) operands.push(word);
  }
  return operands[0] === 'help' ? operands[1] : operands[0];
}

/**
 * The options of a line that holds the command's name and common options only, or null for any other line. Spares
 * `dogged status` the parser, which takes a sixth of the time in which Node itself starts, and the worker its memory.
 */
function readPlainOptions(argv: readonly string[]): CommonOptions | null {
  let config: string | undefined;
  let json = false;
  let names = 0;
  for (let i = 0; i < argv.length; i += 1) {
    const word = argv[i] ?? '';
    if (word === '--json') {
      json = true;
    } else if (word === '-c' || word === '--config') {
      i += 1;
      config = argv[i];
      if (config === undefined) return null;
    } else {
      names += 1;
      if (word.startsWith('-') || names > 1) return null;
    }
  }
  return config === undefined ? { json } : { config, json };
}

/** Says on stderr what went wrong and what to do about it. */
function explain(
  error: unknown,
  remedy: Remedy,
  complain: (text: string) => void,
  env: NodeJS.ProcessEnv,
): number {
  const debug = env['DOGGED_DEBUG'] === '1';
  if (error instanceof DoggedError) {
    complain(`${error.message}\n${remedy(error.remedy)}`);
    if (debug) complain(error.stack ?? '');
    return error.exitCode;
  }
  complain(`Unexpected: ${error instanceof Error ? error.message : String(error)}`);
  if (debug) complain(error instanceof Error ? (error.stack ?? '') : '');
  else complain('For where it came from, run it again with DOGGED_DEBUG=1.');
  return EXIT.failed;
}
