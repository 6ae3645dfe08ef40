import { DoggedError, EXIT } from '../job/errors.js';
import { type Clock, isoTime, pause } from '../platform/clock.js';
import { laterText, type Remaining, remainingOf, remainingText } from '../view/drain-text.js';
import { escapeText } from '../view/escape.js';
import { type Remedy, remedyFor } from '../view/remedy.js';
import { waitingLines } from '../view/screen-parts.js';
import { composeSnapshot, lookAtStore, type SystemSnapshot } from '../view/snapshot.js';
import type { CommandModule, CommonOptions, Output } from './command.js';
import { onChange } from './on-change.js';
import { duration } from './option-values.js';
import { progressLine } from './progress-line.js';
import { locateSystem, withReader } from './system.js';

interface DrainOptions extends CommonOptions {
  readonly timeout?: number;
  readonly all?: boolean;
}

const LOOK_EVERY_MS = 250;

type Count =
  | { readonly snapshot: SystemSnapshot; readonly remaining: Remaining }
  | { readonly failure: string };

export const drainCommand: CommandModule<DrainOptions> = {
  examples: [
    'dogged drain --timeout 10m && dogged stop',
    'dogged drain --all   # waits for retries and scheduled jobs, too',
  ],
  notes:
    'Idle: nothing that is due waits, and nothing runs. A count that could not be read is never taken for idle.\nExit codes: 0 idle, 1 the time-out came first.',
  configure(command) {
    command
      .option('--timeout <duration>', 'give up after this', duration)
      .option('--all', 'also wait for retries that back off and for jobs that are scheduled for later');
  },
  async run({ options, output, clock }) {
    const { stateFolder } = await locateSystem(options);
    const startedAtMs = clock.monotonicMs();
    const progress = progressLine(output, clock, (text) => output.print(text));
    // Full means empty: it is measured against the longest that the queue was while we looked.
    let most = 0;
    const remedy = remedyFor(options.config);
    const warn = onChange((text) => output.note(text));
    for (;;) {
      const count = await countOnce(stateFolder, clock);
      if ('failure' in count) {
        warn(`The queue could not be counted, so it is not taken for idle: ${escapeText(count.failure)}`);
      } else {
        const { snapshot, remaining } = count;
        const left = options.all === true ? remaining.now + remaining.later : remaining.now;
        if (left === 0) {
          progress.end();
          return finish(snapshot, remaining, output);
        }
        most = Math.max(most, left);
        progress.show(most - left, most, remainingText(snapshot, remaining));
        warn(whatHinders(snapshot, remedy));
      }
      const waitedMs = clock.monotonicMs() - startedAtMs;
      if (options.timeout !== undefined && waitedMs >= options.timeout) {
        progress.end();
        throw timedOut(options.timeout, count);
      }
      await pause(clock, LOOK_EVERY_MS);
    }
  },
};

/** What a person must know who waits: this would not end by itself. */
function whatHinders(snapshot: SystemSnapshot, remedy: Remedy): string {
  if (snapshot.verdict !== 'running' && snapshot.monitor.pid === null) return remedy(NOBODY_WORKS);
  const paused = snapshot.waiting.filter(({ reason }) => reason === 'paused');
  return waitingLines({ ...snapshot, waiting: paused }, { remedy }).join('\n');
}

const NOBODY_WORKS = 'No worker runs, so nothing moves. Start it with: dogged start';

async function countOnce(stateFolder: string, clock: Clock): Promise<Count> {
  try {
    return await withReader(stateFolder, clock, async (store) => {
      const snapshot = composeSnapshot(stateFolder, await lookAtStore(store, clock.wallMs()), clock.wallMs());
      return { snapshot, remaining: remainingOf(snapshot) };
    });
  } catch (error) {
    // Where there is no database at all, waiting would not help.
    if (error instanceof DoggedError && error.code === 'STORE_MISSING') throw error;
    return { failure: (error as Error).message };
  }
}

function finish(snapshot: SystemSnapshot, { later }: Remaining, output: Output): number {
  const { pending, running, scheduled, outbox } = snapshot.queue;
  const nextAt = isoTime(snapshot.nextScheduledAtMs);
  output.json({ idle: true, pending, running, scheduled, outbox, nextAt });
  output.print('Idle: nothing is due, nothing runs.');
  if (later > 0) {
    const at = nextAt === null ? '' : ` (${nextAt})`;
    output.print(`${laterText(later, remainingOf(snapshot).nextInMs)}${at}. Wait for that too with --all.`);
  }
  return EXIT.ok;
}

function timedOut(waitedMs: number, count: Count): DoggedError {
  const detail =
    'failure' in count ? count.failure : `Left: ${remainingText(count.snapshot, count.remaining)}.`;
  return new DoggedError('TIMED_OUT', { what: 'An idle queue', waitedMs, detail });
}
