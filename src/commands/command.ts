import type { Command } from 'commander';
import type { Clock } from '../platform/clock.js';

/*
 * How a command is written. `cli.ts` holds a table of name, summary and `load`; only the named command's module is
 * ever loaded, so a module may import what it always needs, and imports with `await import()` what it needs rarely or
 * what is heavy (config/load, execa, pino): the start of `dogged status` is measured.
 *
 *   export const greetCommand: CommandModule<GreetOptions> = {
 *     examples: ['dogged greet Ada   # says hello'],
 *     configure(command) {
 *       command.argument('<name>', 'whom to greet').option('--loud', 'in capitals');
 *     },
 *     async run({ args, options, output }) {
 *       output.json({ greeting: 'hello' });
 *       output.print('hello');
 *       return EXIT.ok;
 *     },
 *   };
 */

/** Taken by every command; `cli.ts` adds them. */
export interface CommonOptions {
  /** Path as the user gave it: `-c FILE`. */
  readonly config?: string;
  readonly json?: boolean;
}

export interface CommandModule<Options extends CommonOptions = CommonOptions> {
  /** At least one line that can be copied into a shell, shown by `--help`. A comment may follow after ` # `. */
  readonly examples: readonly string[];
  /** Shown by `--help` after the options: exit codes and what else a user must know. */
  readonly notes?: string;
  /**
   * Adds arguments and options. Name, summary, `-c`, `--json` and `--help` are there already. A command that takes
   * nothing else leaves this out, and then starts without loading a parser.
   */
  configure?(command: Command): void;
  /**
   * Set where nothing that `configure` adds is required or has a default: a line without any of it then starts without
   * loading a parser, too.
   */
  readonly plainLine?: true;
  /**
   * Does the work and returns the exit code. Throws a DoggedError for what a user can mend: `cli.ts` prints message and
   * remedy on stderr and exits with its code. Must leave nothing open: the process ends when its last handle closes.
   */
  run(call: CommandCall<Options>): Promise<number>;
}

export interface CommandCall<Options extends CommonOptions = CommonOptions> {
  /** The operands as they were typed, in order; commander has checked their number. */
  readonly args: readonly string[];
  readonly options: Options;
  readonly output: Output;
  readonly clock: Clock;
}

/** Where a command's words go. People's text and JSON never meet on stdout: `--json` decides which of the two is heard. */
export interface Output {
  /** Text for people, on stdout, with a line end. Says nothing under `--json`. */
  print(text: string): void;
  /** One value as one line of JSON on stdout. Says nothing without `--json`. */
  json(value: unknown): void;
  /** The same for JSON that is text already, such as a payload whose numbers must keep their spelling. */
  jsonText(text: string): void;
  /** Progress, warnings, remarks: on stderr, in both modes. */
  note(text: string): void;
  /** Characters on stdout without a line end, for screens that are drawn in place. Says nothing under `--json`. */
  draw(text: string): void;
  /** Whether `print` may use colour: a terminal, and no NO_COLOR; or FORCE_COLOR. */
  readonly colour: boolean;
  /** Whether a person looks at stdout on a terminal and `--json` was not asked for. */
  readonly interactive: boolean;
  /** Width to lay text out in: the terminal's, else COLUMNS, else 120. */
  readonly columns: number;
}
