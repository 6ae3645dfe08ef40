import { DoggedError, EXIT } from '../job/errors.js';
import type { CatalogueEntry } from './catalogue.js';
import type { CommandModule } from './command.js';

/** What can stand after a command. */
interface Completed {
  readonly name: string;
  readonly summary: string;
  readonly flags: readonly string[];
}

const SHELLS: Readonly<Record<string, (commands: readonly Completed[]) => string>> = {
  bash: bashScript,
  // Its own emulation knows the functions of bash.
  zsh: (commands) =>
    `autoload -U +X compinit bashcompinit && compinit && bashcompinit\n${bashScript(commands)}`,
  fish: fishScript,
};
const COMMON_FLAGS = ['-c', '--config', '--json', '--help'];

export const completionCommand: CommandModule = {
  examples: [
    'eval "$(dogged completion bash)"    # in ~/.bashrc',
    'dogged completion fish > ~/.config/fish/completions/dogged.fish',
  ],
  configure(command) {
    command.argument('<shell>', Object.keys(SHELLS).join(', '));
  },
  async run({ args: [shell = ''], output }) {
    const script = SHELLS[shell];
    if (script === undefined) {
      const problem = `Say one of ${Object.keys(SHELLS).join(', ')}.`;
      throw new DoggedError('USAGE', { problem, command: 'completion' });
    }
    const text = script(await readCommands());
    output.json({ shell, script: text });
    output.print(text);
    return EXIT.ok;
  },
};

async function readCommands(): Promise<readonly Completed[]> {
  const [{ Command }, { CATALOGUE }] = await Promise.all([import('commander'), import('./catalogue.js')]);
  const flagsOf = async ({ name, load }: CatalogueEntry) => {
    const command = new Command(name);
    (await load()).configure?.(command);
    return command.options.flatMap(({ short, long }) => [short, long].filter((flag) => flag !== undefined));
  };
  const entries = CATALOGUE.flatMap(({ commands }) => commands);
  return Promise.all(
    entries.map(async (entry) => ({
      name: entry.name,
      summary: entry.summary,
      flags: [...(await flagsOf(entry)), ...COMMON_FLAGS],
    })),
  );
}

/** Names and flags are plain words of ours: none of them needs quotes. */
function bashScript(commands: readonly Completed[]): string {
  const cases = commands.map(({ name, flags }) => `    ${name}) words='${flags.join(' ')}' ;;`);
  return `_dogged() {
  local word="\${COMP_WORDS[COMP_CWORD]}" words=''
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '${commands.map(({ name }) => name).join(' ')} --help --version' -- "$word"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
  esac
  case "$word" in
    -*) COMPREPLY=($(compgen -W "$words" -- "$word")) ;;
  esac
}
complete -o default -F _dogged dogged`;
}

function fishScript(commands: readonly Completed[]): string {
  const lines = commands.flatMap(({ name, summary, flags }) => [
    `complete -c dogged -n __fish_use_subcommand -f -a ${name} -d '${summary.replaceAll("'", "\\'")}'`,
    ...flags.map((flag) => {
      const kind = flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`;
      return `complete -c dogged -n '__fish_seen_subcommand_from ${name}' ${kind}`;
    }),
  ]);
  return lines.join('\n');
}
