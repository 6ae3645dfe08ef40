import { EXIT } from '../job/errors.js';
import type { JobSummary } from '../store/read-contract.js';
import { queueScreen } from '../view/queue-screen.js';
import { snapshotJson } from '../view/snapshot-json.js';
import type { CommandCall, CommandModule, CommonOptions } from './command.js';
import { layoutFor } from './layout.js';
import { locateSystem, lookAtSystem } from './system.js';

interface QueueOptions extends CommonOptions {
  readonly once?: boolean;
}

const LINE_SHOWN = 5;

export const queueCommand: CommandModule<QueueOptions> = {
  examples: [
    'dogged queue          # live, until q or Ctrl-C',
    'dogged queue --once   # once, as plain text',
  ],
  configure(command) {
    command.option('--once', 'print it once and end; also what happens without a terminal');
  },
  async run(call) {
    const { options, output } = call;
    const isScreen = output.interactive && process.stdin.isTTY && process.env['TERM'] !== 'dumb';
    if (isScreen && options.once !== true) {
      prepareForInk(process.env);
      const { watchQueue } = await import('./watch-queue.js');
      return watchQueue(call);
    }
    await printOnce(call);
    return EXIT.ok;
  },
};

async function printOnce({ options, output, clock }: CommandCall<QueueOptions>): Promise<void> {
  const { stateFolder } = await locateSystem(options);
  const none = { next: [] as readonly JobSummary[], failed: [] as readonly JobSummary[] };
  const { snapshot, extras } = await lookAtSystem(stateFolder, clock, none, async (store) => ({
    next: await store.nextInLine(LINE_SHOWN),
    failed: await store.list({ states: ['failed'], limit: LINE_SHOWN }),
  }));
  output.json(snapshotJson(snapshot));
  output.print(queueScreen(snapshot, extras, layoutFor(options, output)).join('\n'));
}

/**
 * Ink and React read these while they are loaded. A person sits at this terminal, whatever else runs in the same
 * environment: with CI set, ink would draw nothing before the end.
 */
function prepareForInk(env: NodeJS.ProcessEnv): void {
  env['NODE_ENV'] = 'production';
  env['CI'] = 'false';
  env['CONTINUOUS_INTEGRATION'] = 'false';
  env['DEV'] = 'false';
}
