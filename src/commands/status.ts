import type { JobSummary } from '../store/read-contract.js';
import { snapshotJson } from '../view/snapshot-json.js';
import { statusScreen } from '../view/status-screen.js';
import type { Verdict } from '../view/worker-look.js';
import type { CommandModule } from './command.js';
import { layoutFor } from './layout.js';
import { locateSystem, lookAtSystem } from './system.js';

/** As init scripts have them (LSB): a stuck worker is one of which nobody can say whether it will go on. */
const EXIT_CODES: Readonly<Record<Verdict, number>> = {
  running: 0,
  dead: 1,
  stopped: 3,
  stuck: 4,
  unknown: 4,
};

const FAILURES_SHOWN = 3;

export const statusCommand: CommandModule = {
  examples: ['dogged status', 'dogged status --json | jq .queue'],
  notes:
    'Exit codes: 0 it runs, 1 it is dead and left its pid file, 3 it does not run, 4 unknown (also: no beat for too long).',
  async run({ options, output, clock }) {
    const { stateFolder } = await locateSystem(options);
    const none: readonly JobSummary[] = [];
    const { snapshot, extras: failed } = await lookAtSystem(stateFolder, clock, none, (store) =>
      store.list({ states: ['failed'], limit: FAILURES_SHOWN }),
    );
    const layout = layoutFor(options, output);
    output.json(snapshotJson(snapshot));
    output.print(statusScreen(snapshot, { stateFolder, failed }, layout).join('\n'));
    return EXIT_CODES[snapshot.verdict];
  },
};
