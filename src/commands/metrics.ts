import { readPidFile } from '../heartbeat/pid-file.js';
import { stateFiles } from '../heartbeat/state-files.js';
import { DoggedError, EXIT } from '../job/errors.js';
import { createCollector } from '../metrics/collect.js';
import { askFigures } from '../metrics/figures-line.js';
import { renderMetrics } from '../metrics/render.js';
import type { WorkerFigures } from '../metrics/worker-figures.js';
import type { Clock } from '../platform/clock.js';
import { escapeText } from '../view/escape.js';
import { lookAtProcesses, type ProcessesLook } from '../view/worker-look.js';
import type { CommandModule } from './command.js';
import { locateSystem, withReader } from './system.js';

export const metricsCommand: CommandModule = {
  examples: ['dogged metrics', 'dogged metrics | grep ^dogged_jobs'],
  notes: `With --json: one metric a line, { name, type, help, values }.
Exit code 1 when something could not be asked, the database or a worker that runs: the rest is told, and stderr says why.
Without a worker its counters are missing, which is no failure. The worker tells them by itself, too: see metrics in the config.`,
  async run({ options, output, clock }) {
    const { stateFolder } = await locateSystem(options);
    const look = lookAtProcesses(stateFolder, clock.wallMs());
    const problems = [...look.problems];
    const counts = await withReader(stateFolder, clock, (store) => store.counts()).catch((error: unknown) => {
      if (!(error instanceof DoggedError)) throw error;
      problems.push(error.message);
      return null;
    });
    const figures = await figuresOf(look, stateFolder, clock, problems);
    const collect = createCollector(stateFolder);
    const families = collect({ counts, figures, nowMs: clock.wallMs() }, look);
    for (const { name, type, help, values } of families) output.json({ name, type, help, values });
    output.print((await renderMetrics(families)).trimEnd());
    for (const problem of problems) output.note(escapeText(problem));
    return problems.length === 0 ? EXIT.ok : EXIT.failed;
  },
};

/** null without a worker, and where it does not answer, which is a problem. */
async function figuresOf(
  { verdict }: ProcessesLook,
  stateFolder: string,
  clock: Clock,
  problems: string[],
): Promise<WorkerFigures | null> {
  if (verdict !== 'running' && verdict !== 'stuck') return null;
  const pidFile = readPidFile(stateFiles(stateFolder).workerPid);
  if (pidFile.status !== 'read') return null;
  const answer = await askFigures(pidFile.content.nonce, clock);
  if (answer.figures === null)
    problems.push(`the worker (PID ${pidFile.content.pid}) does not tell its counters: ${answer.why}`);
  return answer.figures;
}
