import { resolve } from 'node:path';
import { EXIT } from '../job/errors.js';
import type { CommandModule, CommonOptions } from './command.js';
import { writeStarterFiles } from './starter-files.js';

interface InitOptions extends CommonOptions {
  readonly example?: string;
}

export const initCommand: CommandModule<InitOptions> = {
  examples: ['dogged init', 'dogged init ~/garage   # makes the folder'],
  notes:
    'What is there already stays as it is, to the last byte: run it again to get back a file that you have removed.',
  configure(command) {
    command
      .argument('[dir]', 'folder to set up (default: this one)')
      .option('--example <name>', 'which example to begin with', 'default');
  },
  async run({ args: [given = '.'], options, output }) {
    const folder = resolve(given);
    const { made, kept } = writeStarterFiles(folder, options.example ?? 'default');
    output.json({ folder, made, kept });
    for (const name of made) output.print(`made  ${name}`);
    for (const name of kept) output.print(`kept  ${name}`);
    output.print(made.length === 0 ? 'Everything was there already.' : `\nNext, in ${folder}: dogged start`);
    return EXIT.ok;
  },
};
