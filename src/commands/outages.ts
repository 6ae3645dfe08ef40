import { EXIT } from '../job/errors.js';
import { plural } from '../platform/duration-text.js';
import { outageJson } from '../view/outage-json.js';
import { outageParagraph } from '../view/outage-text.js';
import type { CommandModule, CommonOptions } from './command.js';
import { layoutFor } from './layout.js';
import { newestOnly } from './newest-only.js';
import { wholeNumber } from './option-values.js';
import { locateSystem, withReader } from './system.js';

interface OutagesOptions extends CommonOptions {
  readonly limit: number;
}

const DEFAULT_LIMIT = 100;

export const outagesCommand: CommandModule<OutagesOptions> = {
  examples: ['dogged outages', 'dogged outages --json | jq \'select(.state == "ongoing")\''],
  notes:
    'An outage goes on for as long as the breaker of its dependency is not closed, and there is no other record of it.\nThose that are over are kept as long as ended jobs (`keep`). Exit code 0, also while one goes on: `dogged health` warns.',
  configure(command) {
    command.option(
      '--limit <n>',
      'at most so many, those that go on and the newest first',
      wholeNumber(1),
      DEFAULT_LIMIT,
    );
  },
  async run({ options, output, clock }) {
    const { stateFolder } = await locateSystem(options);
    const outages = await withReader(stateFolder, clock, (store) => store.outages(options.limit));
    const layout = layoutFor(options, output);
    for (const outage of outages) {
      output.json(outageJson(outage));
      output.print(outageParagraph(outage, clock.wallMs(), layout));
    }
    const ongoing = outages.filter(({ untilMs }) => untilMs === null).length;
    output.print(
      outages.length === 0 ? 'No outage.' : `${plural(outages.length, 'outage')}, ${ongoing} ongoing`,
    );
    if (outages.length === options.limit) output.note(newestOnly(options.limit));
    return EXIT.ok;
  },
};
