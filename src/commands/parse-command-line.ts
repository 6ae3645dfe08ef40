import { Command, CommanderError } from 'commander';
import { EXIT } from '../job/errors.js';
import { programVersion } from '../platform/version.js';
import { CATALOGUE, type CatalogueEntry } from './catalogue.js';
import type { CommandModule, CommonOptions } from './command.js';
import type { Streams } from './output.js';

type ParsedCommandLine =
  | { readonly args: readonly string[]; readonly options: CommonOptions }
  /** Nothing is left to do: help was shown, or a complaint. */
  | { readonly exitCode: number };

interface LoadedCommand {
  readonly entry: CatalogueEntry;
  readonly module: CommandModule;
}

/**
 * Parses the line of a command with commander. Help goes to stdout; wrong usage to stderr, with the nearest name that
 * exists, and exit code 64.
 */
export function parseCommand(
  argv: readonly string[],
  command: LoadedCommand,
  streams: Streams,
  complain: (text: string) => void,
): ParsedCommandLine {
  let parsed: ParsedCommandLine = { exitCode: EXIT.ok };
  const program = rootProgram(streams, complain);
  addCommand(program, command, (args, options) => {
    parsed = { args, options };
  });
  const exitCode = exitCodeOf(() => program.parse(argv, { from: 'user' }));
  return exitCode === EXIT.ok ? parsed : { exitCode };
}

/** A line that names no command of ours: the list of all, the version, or a complaint with the nearest name. */
export function showUsage(
  argv: readonly string[],
  streams: Streams,
  complain: (text: string) => void,
): number {
  const program = rootProgram(streams, complain);
  for (const group of CATALOGUE) {
    program.commandsGroup(group.title);
    for (const { name, summary } of group.commands) program.command(name).description(summary);
  }
  return exitCodeOf(() => {
    if (argv.length === 0) program.help({ error: true });
    program.parse(argv, { from: 'user' });
  });
}

/** Commander ends by throwing, also after it has shown the help. */
function exitCodeOf(parse: () => void): number {
  try {
    parse();
    return EXIT.ok;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
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
