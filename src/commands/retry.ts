import { DoggedError, EXIT } from '../job/errors.js';
import { type JobId, type JobState, stateOfPlace } from '../job/job.js';
import { plural } from '../platform/duration-text.js';
import type { RedriveAnswer } from '../store/contract.js';
import type { Store } from '../store/engine.js';
import type { JobSummary } from '../store/read-contract.js';
import { escapeText } from '../view/escape.js';
import type { CommandModule, CommonOptions } from './command.js';
import { refuseUnknownNames } from './known-names.js';
import { byWorkspace, groupByWorkspace, locateSystem, withExisting } from './system.js';

interface RetryOptions extends CommonOptions {
  readonly state?: 'failed' | 'cancelled';
  readonly task?: string;
  readonly outage?: string;
}

interface Refusal {
  readonly id: JobId;
  readonly why: Exclude<RedriveAnswer, 'queued'>;
  /** As it was when it was refused; null for an unknown job. */
  readonly state: JobState | null;
}

/** As many as one command may change under one lock. */
const BATCH = 1_000;

function refusalText({ why, state }: Refusal): string {
  switch (why) {
    case 'unknown':
      return 'there is no such job';
    case 'not-ended':
      return 'it waits or runs already';
    case 'not-allowed':
      return state === 'failed' || state === 'cancelled'
        ? 'a newer version of its record has a job of its own, or its time is over'
        : `it is ${state}; only failed and cancelled jobs can run again`;
  }
}

export const retryCommand: CommandModule<RetryOptions> = {
  examples: ['dogged retry 17 18', 'dogged retry --state failed --task implement', 'dogged retry --outage 3'],
  notes:
    'Gives each job a new budget of attempts. Exit codes: 0 all queued again, 1 at least one was refused.',
  configure(command) {
    command
      .argument('[id...]', 'jobs that failed or were cancelled')
      .addOption(
        command.createOption('--state <state>', 'all jobs in this state').choices(['failed', 'cancelled']),
      )
      .option('--task <task>', 'with --state: only those of this task')
      .option('--outage <id>', 'all jobs that failed for good of this outage, and still stand so');
  },
  async run({ args, options, output, clock }) {
    const ways = [args.length > 0, options.state !== undefined, options.outage !== undefined];
    if (ways.filter(Boolean).length !== 1 || (options.task && !options.state)) {
      throw new DoggedError('USAGE', {
        problem: 'Name either jobs, or --state failed with or without --task, or --outage ID.',
        command: 'retry',
      });
    }
    const { configFile, stateFolder } = await locateSystem(options);
    const { queued, refused } = await withExisting(stateFolder, clock, async (store) => {
      const nowMs = clock.wallMs();
      await refuseUnknownNames({ task: options.task }, configFile, store, 'retry');
      if (options.outage !== undefined) return redriveOutage(store, options.outage, nowMs);
      return options.state === undefined
        ? redriveThese(store, args, nowMs)
        : redriveByState(store, options.state, options.task, nowMs);
    });
    output.json({ queued, refused: refused.map(({ id, why }) => ({ id, reason: why })) });
    output.print(
      `${plural(queued, 'job')} queued again${refused.length > 0 ? `, ${refused.length} refused` : ''}`,
    );
    for (const refusal of refused) output.note(`${escapeText(refusal.id)}: ${refusalText(refusal)}`);
    return refused.length > 0 ? EXIT.failed : EXIT.ok;
  },
};

interface Redriven {
  readonly queued: number;
  readonly refused: readonly Refusal[];
}

async function redriveThese(store: Store, ids: readonly JobId[], nowMs: number): Promise<Redriven> {
  const { known, unknown } = await byWorkspace(store, ids);
  const { queued, refused } = await redrive(store, known, nowMs);
  return {
    queued,
    refused: [...unknown.map((id) => ({ id, why: 'unknown' as const, state: null })), ...refused],
  };
}

/**
 * In batches, so that the worker gets its turn. Each job once: what fails again meanwhile is not driven in a circle. A job
 * that somebody else has queued again since it was listed is what was wanted, and no refusal.
 */
async function redriveByState(
  store: Store,
  state: 'failed' | 'cancelled',
  task: string | undefined,
  nowMs: number,
): Promise<Redriven> {
  const filter = task === undefined ? { states: [state] } : { states: [state], task };
  return redriveAll(store, (limit) => store.list({ ...filter, limit }), nowMs);
}

function redriveOutage(store: Store, outage: string, nowMs: number): Promise<Redriven> {
  const find = async (limit: number) => {
    const jobs = await store.casualties(outage, limit);
    if (jobs === null) throw new DoggedError('OUTAGE_UNKNOWN', { id: outage });
    return jobs;
  };
  return redriveAll(store, find, nowMs);
}

/** In batches, so that the worker gets its turn. Each job once: what fails again meanwhile is not driven in a circle. */
async function redriveAll(
  store: Store,
  find: (limit: number) => Promise<readonly JobSummary[]>,
  nowMs: number,
): Promise<Redriven> {
  const seen = new Set<JobId>();
  const refused: Refusal[] = [];
  let queued = 0;
  for (;;) {
    // What was refused stands as it stood, so it takes room in the list.
    const jobs = await find(BATCH + refused.length);
    const fresh = jobs.filter((job) => !seen.has(job.id));
    if (fresh.length === 0) return { queued, refused };
    for (const job of fresh) seen.add(job.id);
    const part = await redrive(store, groupByWorkspace(fresh), nowMs);
    queued += part.queued;
    refused.push(...part.refused.filter(({ why }) => why !== 'not-ended'));
  }
}

async function redrive(
  store: Store,
  jobs: ReadonlyMap<string, readonly JobId[]>,
  nowMs: number,
): Promise<Redriven> {
  const refused: Refusal[] = [];
  let queued = 0;
  for (const [workspace, ids] of jobs) {
    const answers = await store.redrive(workspace, ids, nowMs);
    for (const [i, answer] of answers.entries()) {
      if (answer === 'queued') {
        queued += 1;
        continue;
      }
      const id = ids[i] ?? '';
      const job = await store.get(workspace, id);
      refused.push({ id, why: answer, state: job === null ? null : stateOfPlace(job.place) });
    }
  }
  return { queued, refused };
}
