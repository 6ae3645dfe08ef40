import { DoggedError, EXIT } from '../job/errors.js';
import { isTerminal, type JobId, stateOfPlace } from '../job/job.js';
import { type Clock, pause } from '../platform/clock.js';
import { plural } from '../platform/duration-text.js';
import type { JobDetails, ReadStore } from '../store/read-contract.js';
import { escapeText } from '../view/escape.js';
import { jobJson, reasonText } from '../view/job-json.js';
import type { CommandModule, CommonOptions, Output } from './command.js';
import { duration } from './option-values.js';
import { locateSystem, withReader } from './system.js';

interface WaitOptions extends CommonOptions {
  readonly timeout?: number;
}

/** A look costs one pragma unless somebody wrote: jobs are read again only then. */
const LOOK_EVERY_MS = 50;

export const waitCommand: CommandModule<WaitOptions> = {
  examples: [
    'dogged wait 17 18 --timeout 10m',
    'dogged wait $(dogged add implement --payload \'{"title":"hello"}\' --json | jq -r .id)',
  ],
  notes: 'Exit codes: 0 all of them completed, 1 one ended otherwise, or the time-out came first.',
  configure(command) {
    command
      .argument('<id...>', 'jobs to wait for, until each has ended')
      .option('--timeout <duration>', 'give up after this', duration);
  },
  async run({ args, options, output, clock }) {
    const { stateFolder } = await locateSystem(options);
    return withReader(stateFolder, clock, async (store) => {
      const waiting = new Set(args);
      let allCompleted = true;
      const startedAtMs = clock.monotonicMs();
      for (let first = true; ; first = false) {
        if (first || store.changedElsewhere()) {
          for (const job of await ended(store, waiting)) {
            waiting.delete(job.id);
            allCompleted &&= job.place === 'completed';
            tell(job, output);
          }
        }
        if (waiting.size === 0) return allCompleted ? EXIT.ok : EXIT.failed;
        await pauseWithin(clock, startedAtMs, options.timeout, waiting);
      }
    });
  },
};

async function ended(store: ReadStore, ids: Iterable<JobId>): Promise<JobDetails[]> {
  const found: JobDetails[] = [];
  for (const id of ids) {
    const job = await store.get(null, id);
    if (job === null) throw new DoggedError('JOB_UNKNOWN', { id });
    if (isTerminal(stateOfPlace(job.place))) found.push(job);
  }
  return found;
}

function tell(job: JobDetails, output: Output): void {
  const state = stateOfPlace(job.place);
  const reason = reasonText(job);
  const why = state === 'completed' || reason === null ? '' : `: ${escapeText(reason)}`;
  output.jsonText(jobJson(job, null));
  output.print(`${job.id} ${state}${why}`);
}

async function pauseWithin(
  clock: Clock,
  startedAtMs: number,
  timeoutMs: number | undefined,
  waiting: ReadonlySet<JobId>,
): Promise<void> {
  const leftMs =
    timeoutMs === undefined ? Number.POSITIVE_INFINITY : startedAtMs + timeoutMs - clock.monotonicMs();
  if (leftMs <= 0) {
    throw new DoggedError('TIMED_OUT', {
      what: `The end of ${plural(waiting.size, 'job')}`,
      waitedMs: timeoutMs ?? 0,
      detail: `Still to end: ${[...waiting].slice(0, 10).join(', ')}${waiting.size > 10 ? ' …' : ''}.`,
    });
  }
  await pause(clock, Math.min(LOOK_EVERY_MS, leftMs));
}
