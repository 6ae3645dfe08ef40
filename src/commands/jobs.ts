import { EXIT } from '../job/errors.js';
import { JOB_STATES, type JobState } from '../job/job.js';
import type { JobFilter, JobSummary, ReadStore } from '../store/read-contract.js';
import { jobJson } from '../view/job-json.js';
import { jobsTable } from '../view/jobs-table.js';
import { composeSnapshot, lookAtStore, type SystemSnapshot } from '../view/snapshot.js';
import { waitingFor } from '../view/waiting-for.js';
import type { CommandModule, CommonOptions, Output } from './command.js';
import { refuseUnknownNames } from './known-names.js';
import { layoutFor } from './layout.js';
import { newestOnly } from './newest-only.js';
import { wholeNumber, workspaceId } from './option-values.js';
import { locateSystem, withJobReader } from './system.js';

interface JobsOptions extends CommonOptions {
  readonly state?: JobState;
  readonly task?: string;
  readonly source?: string;
  readonly workspace?: string;
  readonly limit: number;
}

const DEFAULT_LIMIT = 100;

export const jobsCommand: CommandModule<JobsOptions> = {
  examples: ['dogged jobs --state failed --task implement', 'dogged jobs --json --limit 1000 | jq -r .key'],
  notes: 'With --json: one job a line, in the shape of `dogged job ID --json`.',
  configure(command) {
    command
      .addOption(command.createOption('--state <state>', 'only jobs in this state').choices(JOB_STATES))
      .option('--task <task>', 'only jobs of this task')
      .option('--source <source>', 'only jobs from this source')
      .option('--workspace <id>', 'only jobs of this workspace', workspaceId)
      .option('--limit <n>', 'at most so many, the newest first', wholeNumber(1), DEFAULT_LIMIT);
  },
  async run({ options, output, clock }) {
    const { configFile, stateFolder } = await locateSystem(options);
    await withJobReader(stateFolder, clock, output.note, async (store, reads) => {
      const snapshot = composeSnapshot(stateFolder, await lookAtStore(store, clock.wallMs()), clock.wallMs());
      const jobs = await reads.list(filterOf(options));
      if (jobs.length === 0) await refuseUnknownNames(options, configFile, store, 'jobs');
      if (options.json === true) await printJson(jobs, snapshot, reads, output);
      else printTable(jobs, snapshot, options, output);
    });
    return EXIT.ok;
  },
};

function filterOf({ state, task, source, workspace, limit }: JobsOptions): JobFilter {
  return {
    ...(state === undefined ? {} : { states: [state] }),
    ...(task === undefined ? {} : { task }),
    ...(source === undefined ? {} : { source }),
    ...(workspace === undefined ? {} : { workspace }),
    limit,
  };
}

/** One by one: the history of a thousand jobs, with all their output, need not be in memory at once. */
async function printJson(
  jobs: readonly JobSummary[],
  snapshot: SystemSnapshot,
  reads: Pick<ReadStore, 'get'>,
  output: Output,
): Promise<void> {
  for (const { workspace, id } of jobs) {
    const job = await reads.get(workspace, id);
    if (job !== null) output.jsonText(jobJson(job, waitingFor(job, snapshot)));
  }
}

function printTable(
  jobs: readonly JobSummary[],
  snapshot: SystemSnapshot,
  options: JobsOptions,
  output: Output,
): void {
  if (jobs.length === 0) {
    output.print('No such jobs.');
    return;
  }
  const layout = layoutFor(options, output);
  output.print(jobsTable(jobs, snapshot, layout).join('\n'));
  if (jobs.length === options.limit) output.note(newestOnly(options.limit));
}
