import { resolve } from 'node:path';
import { EXIT } from '../job/errors.js';
import { isoTime } from '../platform/clock.js';
import { sizeText } from '../platform/duration-text.js';
import { backUpStore } from '../store/care.js';
import type { CommandModule } from './command.js';
import { locateSystem } from './system.js';

export const backupCommand: CommandModule = {
  examples: ['dogged backup /mnt/stick/dogged-$(date +%F).db'],
  notes: `One consistent state, checked, whether the worker runs or not. Nothing is ever overwritten. How to put one back is told
in docs/operating.md. Exit codes: 0 written, 1 not written, 75 the database is locked.`,
  configure(command) {
    command.argument('<file>', 'a name that is free, in a folder that is there');
  },
  async run({ args, options, output, clock }) {
    const { stateFolder } = await locateSystem(options);
    const { file, madeAtMs, sizeBytes } = await backUpStore(stateFolder, resolve(args[0] ?? ''), clock);
    output.json({ file, sizeBytes, at: isoTime(madeAtMs) });
    output.print(`${file}: ${sizeText(sizeBytes)}`);
    return EXIT.ok;
  },
};
