import { Command, CommanderError } from 'commander';
import { EXIT } from '../job/errors.js';
import { programVersion } from '../platform/version.js';
import { CATALOGUE, type CatalogueEntry } from './catalogue.js';
import type { CommandModule, CommonOptions } from './command.js';
import type { Streams } from './output.js';

export type ParsedCommandLine =
  | { readonly args: readonly string[]; readonly options: CommonOptions }
  /** Nothing is left to do: help was shown, or a complaint. */
  | { readonly exitCode: number };

interface LoadedCommand {
  readonly entry: CatalogueEntry;
  readonly module: CommandModule;
}

/**
 * Parses a command line with commander. Help goes to stdout; wrong usage to stderr, with the nearest name that exists,
 * and exit code 64. `command` is the one that the line names; undefined where it names none of ours.
 */
export function parseCommandLine(
  argv: readonly string[],
  command: LoadedCommand | undefined,
  streams: Streams,
  complain: (text: string) => void,
): ParsedCommandLine {
  let parsed: ParsedCommandLine = { exitCode: EXIT.ok };
  const program = rootProgram(streams, complain);
  if (command === undefined) {
    addAllNames(program);
  } else {
    addCommand(program, command, (args, options) => {
      parsed = { args, options };
    });
  }
  try {
    if (argv.length === 0) program.help({ error: true });
    program.parse(argv, { from: 'user' });
    return parsed;
  } catch (error) {
    if (error instanceof CommanderError) return { exitCode: error.exitCode === 0 ? EXIT.ok : EXIT.usage };
    throw error;
  }
}

function rootProgram(streams: Streams, complain: (text: string) => void): Command {
  const program = new Command('dogged')
    .description(
      'Polls files, turns each new record into a durable job, runs the job, and keeps itself alive.',
    )
    .version(programVersion(), '-V, --version', 'show the version')
    .helpCommand('help [command]', 'show how a command is used')
    // A command's own options are its own matter: its complaint names its own help.
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => streams.stdout.write(text),
      writeErr: complain,
      getOutHelpWidth: () => streams.stdout.columns ?? 80,
      getErrHelpWidth: () => streams.stderr.columns ?? 80,
    })
    .showHelpAfterError('See: dogged --help')
    .addHelpText('after', '\nEach command explains itself: dogged status --help');
  return addCommonOptions(program);
}

/** For help and for complaints: commander lists the names, and finds the nearest one. */
function addAllNames(program: Command): void {
  for (const group of CATALOGUE) {
    program.commandsGroup(group.title);
    for (const { name, summary } of group.commands) program.command(name).description(summary);
  }
}

function addCommand(
  program: Command,
  { entry, module }: LoadedCommand,
  accept: (args: readonly string[], options: CommonOptions) => void,
): void {
  const command = program.command(entry.name).description(entry.summary);
  module.configure?.(command);
  addCommonOptions(command)
    .showHelpAfterError(`See: dogged ${entry.name} --help`)
    .addHelpText('after', helpTail(module))
    .action(() => accept(command.args, command.optsWithGlobals<CommonOptions>()));
}

function addCommonOptions(command: Command): Command {
  return command
    .option('-c, --config <file>', 'config file (default: dogged.config.* in this folder)')
    .option('--json', 'machine-readable output on stdout')
    .helpOption('-h, --help', 'show this help');
}

function helpTail({ examples, notes }: CommandModule): string {
  const title = examples.length === 1 ? 'Example:' : 'Examples:';
  const tail = ['', title, ...examples.map((example) => `  ${example}`)];
  if (notes !== undefined) tail.push('', notes);
  return tail.join('\n');
}
