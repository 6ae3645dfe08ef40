import { EXIT } from '../job/errors.js';
import { type JobId, stateOfPlace } from '../job/job.js';
import type { CancelAnswer } from '../store/contract.js';
import type { Store } from '../store/engine.js';
import { escapeText } from '../view/escape.js';
import type { CommandModule } from './command.js';
import { byWorkspace, locateSystem, withExisting } from './system.js';

interface Cancelled {
  readonly id: JobId;
  readonly result: CancelAnswer;
  readonly state: string | null;
}

export const cancelCommand: CommandModule = {
  examples: ['dogged cancel 17 18'],
  notes:
    'A waiting job is cancelled at once; a running one as soon as the worker has ended its program.\nExit codes: 0 each of them is or will be cancelled, 1 one had ended otherwise, or there is none.',
  configure(command) {
    command.argument('<id...>', 'jobs that wait or run');
  },
  async run({ args, options, output, clock }) {
    const { stateFolder } = await locateSystem(options);
    const answers = await withExisting(stateFolder, clock, (store) => cancelAll(store, args, clock.wallMs()));
    for (const answer of answers) {
      output.json(answer);
      output.print(`${escapeText(answer.id)}: ${words(answer)}`);
    }
    return answers.every(isCancelled) ? EXIT.ok : EXIT.failed;
  },
};

async function cancelAll(store: Store, ids: readonly JobId[], nowMs: number): Promise<Cancelled[]> {
  const { known, unknown } = await byWorkspace(store, ids);
  const answers: Cancelled[] = unknown.map((id) => ({ id, result: 'unknown', state: null }));
  for (const [workspace, theirs] of known) {
    const results = await store.cancel(workspace, theirs, nowMs);
    for (const [i, id] of theirs.entries()) {
      const job = await store.get(workspace, id);
      answers.push({ id, result: results[i] ?? 'unknown', state: job && stateOfPlace(job.place) });
    }
  }
  return answers;
}

/** Saying it twice is no failure. */
function isCancelled({ result, state }: Cancelled): boolean {
  return result === 'cancelled' || result === 'requested' || state === 'cancelled';
}

function words({ result, state }: Cancelled): string {
  switch (result) {
    case 'cancelled':
      return 'cancelled';
    case 'requested':
      return 'it runs: the worker was asked to end it';
    case 'ended':
      return state === 'cancelled' ? 'was cancelled already' : `it has ended already: ${state}`;
    case 'unknown':
      return 'there is no such job';
  }
}
