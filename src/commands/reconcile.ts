import { readHungRecords } from '../heartbeat/hung-records.js';
import type { SourceAccount } from '../intake/account-book.js';
import { EXIT } from '../job/errors.js';
import { countText, plural } from '../platform/duration-text.js';
import { acquireStateLock } from '../store/open.js';
import { accountRemarks, openLines } from '../view/account-text.js';
import { painter } from '../view/colour.js';
import { type ReconcileFigures, reconcileTable } from '../view/reconcile-text.js';
import { remedyFor } from '../view/remedy.js';
import { lookAtProcesses } from '../view/worker-look.js';
import { chosenSources } from './chosen-sources.js';
import type { CommandModule, CommonOptions } from './command.js';
import { eachSource, readingOn, type SourceWork } from './each-source.js';
import { progressLine } from './progress-line.js';
import { locateSystem, withReader, withStore } from './system.js';

interface ReconcileOptions extends CommonOptions {
  readonly source?: string;
  readonly dryRun?: boolean;
}

/** `open`: what nobody accounts for afterwards; in a dry run, what would be queued. */
interface Reconciled extends SourceAccount {
  readonly name: string;
  readonly queued: number;
}

export const reconcileCommand: CommandModule<ReconcileOptions> = {
  examples: ['dogged reconcile', 'dogged reconcile --dry-run   # what it would queue'],
  notes:
    'Reads every file of the sources from its beginning and queues each record that has no job, through the same checks\nas any other; a second run finds nothing left to do. Without a worker it polls first, so that what is new is queued, too.\nExit codes: 0 every record is accounted for now, 1 at least one is not, or a source could not be read.',
  configure(command) {
    command
      .option('--source <source>', 'only this source')
      .option('--dry-run', 'queue nothing, and say what would be');
  },
  async run({ options, output, clock }) {
    const { configFile, stateFolder } = await locateSystem(options);
    const { loadConfig } = await import('../config/load.js');
    const config = await loadConfig(configFile);
    const sources = chosenSources(config, options.source);
    const progress = progressLine(output, clock, output.note);
    const { verdict } = lookAtProcesses(stateFolder, clock.wallMs());
    const works = verdict === 'running' || verdict === 'stuck';
    const mode = options.dryRun === true ? 'dry-run' : works ? 'beside-worker' : 'alone';
    const done = await reconcileBy[mode]({
      config,
      sources,
      stateFolder,
      clock,
      onProgress: readingOn(progress),
    });
    progress.end();

    const isDry = mode === 'dry-run';
    const named = done.map((source) => ({ name: source.name, figures: figuresOf(source, isDry), source }));
    const queued = named.reduce((sum, { figures }) => sum + figures.queued, 0);
    const open = named.reduce((sum, { figures }) => sum + figures.unaccountedCount, 0);
    const ok = done.every(({ problem }) => problem === null) && open === 0;
    output.json({
      queued,
      ...(isDry ? { dryRun: true } : {}),
      sources: Object.fromEntries(
        named.map(({ name, figures, source: { reasons, waitingFiles, problem } }) => [
          name,
          { ...figures, reasons, waitingFiles, problem },
        ]),
      ),
    });
    const layout = {
      columns: output.columns,
      paint: painter(output.colour),
      remedy: remedyFor(options.config),
    };
    for (const line of reconcileTable(named, layout)) output.print(line);
    for (const line of accountRemarks(done, layout)) output.print(line);
    for (const line of openLines(done)) output.print(line);
    output.print(summary(isDry, queued, open, ok));
    return ok ? EXIT.ok : EXIT.failed;
  },
};

interface Work extends SourceWork {
  readonly stateFolder: string;
}

const reconcileBy = {
  /** The worker polls: what it has missed is closed beside it, record by record, under its key. */
  'beside-worker': async (work: Work): Promise<readonly Reconciled[]> => {
    const { reconcileSource } = await import('../intake/reconcile.js');
    return withStore(work.stateFolder, work.clock, (store) =>
      eachSource(work, store, async (parts) => {
        const { account, queued } = await reconcileSource({ ...parts, store, onQueued: () => undefined });
        return { ...account, queued };
      }),
    );
  },
  'dry-run': async (work: Work): Promise<readonly Reconciled[]> => {
    const { auditSource } = await import('../intake/reconcile.js');
    return withReader(work.stateFolder, work.clock, (store) =>
      eachSource(work, store, async (parts) => ({ ...(await auditSource(parts)), queued: 0 })),
    );
  },
  alone: pollAndReconcile,
};

/** Nobody polls: so we do, with the state folder to ourselves, and close what is open after that. */
async function pollAndReconcile({
  config,
  sources,
  stateFolder,
  clock,
  onProgress,
}: Work): Promise<readonly Reconciled[]> {
  const { mkdirSync } = await import('node:fs');
  const { createIntake } = await import('../intake/intake.js');
  const { createLog } = await import('../platform/log.js');
  mkdirSync(stateFolder, { recursive: true, mode: 0o700 });
  const lock = await acquireStateLock(stateFolder);
  try {
    return await withStore(stateFolder, clock, async (store) => {
      const log = createLog('silent');
      const chosen = { ...config, sources };
      const hung = readHungRecords(stateFolder, config.file);
      const intake = createIntake({ config: chosen, store, clock, log, hung, onQueued: () => undefined });
      const done = await intake.reconcile('all', onProgress);
      return done.map(({ name, account, queued, polled }) => ({ ...account, name, queued: queued + polled }));
    });
  } finally {
    lock.release();
  }
}

function figuresOf(
  source: Reconciled,
  isDry: boolean,
): ReconcileFigures & { readonly unaccountedCount: number } {
  const { records, results, openCount, rejected } = source;
  const queued = isDry ? openCount : source.queued;
  const unaccountedCount = isDry ? 0 : openCount;
  const alreadyDone = results['already-done'] ?? 0;
  const changedIgnored = (results['changed-ignored'] ?? 0) + (results['older-ignored'] ?? 0);
  // What was queued by an earlier round is known to a later one: so the rest, not the store's own word.
  const rest = records - queued - alreadyDone - changedIgnored - rejected - unaccountedCount;
  const alreadyQueued = Math.max(0, rest);
  return { found: records, queued, alreadyQueued, alreadyDone, changedIgnored, rejected, unaccountedCount };
}

function summary(isDry: boolean, queued: number, open: number, ok: boolean): string {
  if (!ok) return open > 0 ? `❌ Still open: ${plural(open, 'record')}.` : '❌ Not everything could be read.';
  if (isDry) return queued === 0 ? '✅ Nothing is open.' : `${plural(queued, 'record')} would be queued.`;
  return queued === 0 ? '✅ Nothing was open.' : `✅ ${countText(queued)} queued; nothing is open now.`;
}
