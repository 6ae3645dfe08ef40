import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type BackupFacts, backupCheck } from '../health/check-backups.js';
import { type ConfigFinding, configCheck } from '../health/check-config.js';
import { hardwareChecks } from '../health/check-hardware.js';
import { machineChecks } from '../health/check-machine.js';
import { pagesCheck } from '../health/check-pages.js';
import { processChecks } from '../health/check-processes.js';
import { type AwayFact, type QueueFacts, queueChecks } from '../health/check-queue.js';
import { restorationCheck } from '../health/check-restoration.js';
import { sourceFilesCheck } from '../health/check-sources.js';
import { DIAGNOSIS_EXIT, diagnose, diagnosisLines, summaryLine } from '../health/diagnose.js';
import { recoverOnce } from '../health/recover.js';
import { writeDesired } from '../heartbeat/desired.js';
import { freshNonce } from '../heartbeat/nonce.js';
import { openRecoveryLog, type RecoveryLine } from '../heartbeat/recovery-log.js';
import { defaultSettings, readSettings, type Settings } from '../heartbeat/settings.js';
import { DoggedError, EXIT } from '../job/errors.js';
import type { Clock } from '../platform/clock.js';
import { plural } from '../platform/duration-text.js';
import { programVersion } from '../platform/version.js';
import { acknowledgeRestoration, backupsIn, findDamageIn, restorationIn } from '../store/care.js';
import type { Outage } from '../store/read-contract.js';
import type { TraceReads } from '../store/trace-contract.js';
import { escapeText } from '../view/escape.js';
import { trialText } from '../view/outage-text.js';
import { readProcessFigures } from '../view/process-figures.js';
import { type Remedy, remedyFor } from '../view/remedy.js';
import type { CommandModule, CommonOptions, Output } from './command.js';
import { startFrom } from './start.js';
import { locateSystem, lookAtSystem, withExisting } from './system.js';

interface HealthOptions extends CommonOptions {
  readonly diagnose?: boolean;
  readonly monitor?: boolean;
  readonly recover?: boolean;
  readonly acknowledge?: boolean;
}

/** Of damaged payloads, and of broken polls. */
const MOST_NAMED = 10;
const BROKEN_WITHIN_MS = 24 * 3_600_000;

interface Place {
  readonly configFile: string;
  readonly stateFolder: string;
}

export const healthCommand: CommandModule<HealthOptions> = {
  examples: [
    'dogged health --diagnose',
    'dogged health --diagnose --json | jq .verdict',
    'dogged health --recover',
  ],
  notes: `--diagnose is what it does when nothing is said; it changes nothing.
Exit codes of --diagnose, as monitoring plugins have them: 0 all is well, 1 a warning, 2 critical, 3 unknown.
--monitor stays in the foreground and keeps a worker at work; --recover starts or restarts what is dead or stuck, once.`,
  configure(command) {
    command
      .option('--diagnose', 'check everything and say what to do')
      .option('--monitor', 'run the health monitor in the foreground')
      .option('--recover', 'mend what is dead or stuck, once')
      .option(
        '--acknowledge',
        'you have seen what was damaged (a database that was replaced, payloads): it is critical no more',
      );
  },
  async run({ options, output, clock }) {
    const chosen = [options.diagnose, options.monitor, options.recover, options.acknowledge].filter(Boolean);
    if (chosen.length > 1) {
      const problem = 'Say one of --diagnose, --monitor, --recover and --acknowledge.';
      throw new DoggedError('USAGE', { problem, command: 'health' });
    }
    const place = await locateSystem(options);
    if (options.monitor === true) return monitor(place, output);
    if (options.acknowledge === true) return acknowledge(place, output, clock);
    if (options.recover === true) return recover(place, remedyFor(options.config), output, clock);
    return diagnoseAll(place, remedyFor(options.config), output, clock);
  },
};

async function diagnoseAll(
  { configFile, stateFolder }: Place,
  remedy: Remedy,
  output: Output,
  clock: Clock,
): Promise<number> {
  const settings = settingsIn(stateFolder, configFile);
  const finding = loadFinding(configFile);
  finding.catch(() => undefined);
  const checks = [
    configCheck(configFile, stateFolder, () => finding),
    ...processChecks({
      stateFolder,
      settings,
      clock,
      version: programVersion(),
      figuresOf: readProcessFigures,
    }),
    ...queueChecks(
      settings,
      async () => {
        const nowMs = clock.wallMs();
        const none = { damaged: [], brokenCycles: [] } satisfies TraceFacts;
        const { snapshot, extras } = await lookAtSystem<TraceFacts>(stateFolder, clock, none, (store) =>
          readTraceFacts(store, nowMs),
        );
        const outages = snapshot.outages.map((outage) => awayFact(outage, nowMs));
        return { ...snapshot, ...extras, outages };
      },
      clock,
    ),
    sourceFilesCheck(async () => {
      const found = await finding;
      return found.is === 'valid' ? found.sources : [];
    }),
    ...(existsSync(join(stateFolder, 'dogged.db'))
      ? [pagesCheck((signal) => findDamageIn(stateFolder, signal))]
      : []),
    restorationCheck(clock.wallMs(), () => restorationIn(stateFolder)),
    backupCheck(settings, () => readBackupFacts(stateFolder, clock.wallMs())),
    ...machineChecks(stateFolder),
    ...hardwareChecks(clock.wallMs()),
  ];
  const diagnosis = await diagnose(checks, clock, remedy);
  output.json({
    verdict: diagnosis.verdict,
    checks: diagnosis.checks.map(({ name, status, text, remedy }) => ({ name, status, text, remedy })),
  });
  output.print(escapeText(summaryLine(diagnosis)));
  for (const line of diagnosisLines(diagnosis)) output.print(escapeText(line));
  return DIAGNOSIS_EXIT[diagnosis.verdict];
}

type TraceFacts = Pick<QueueFacts, 'damaged' | 'brokenCycles'>;

async function readTraceFacts(store: TraceReads, nowMs: number): Promise<TraceFacts> {
  const damaged = await store.damaged(MOST_NAMED);
  const broken = await store.brokenCycles(nowMs - BROKEN_WITHIN_MS, MOST_NAMED);
  return {
    damaged: damaged.map(({ id, task, key }) => ({ job: id, task, key })),
    brokenCycles: broken.map(({ atMs, ...rest }) => ({ ...rest, ageMs: Math.max(0, nowMs - atMs) })),
  };
}

async function acknowledge({ stateFolder }: Place, output: Output, clock: Clock): Promise<number> {
  const restoration = await acknowledgeRestoration(stateFolder);
  const payloads = existsSync(join(stateFolder, 'dogged.db'))
    ? await withExisting(stateFolder, clock, (store) => store.acknowledgeDamaged(clock.wallMs()))
    : 0;
  output.json({ acknowledged: restoration?.damagedAs ?? null, payloads });
  if (restoration !== null) {
    output.print(
      `Noted. The damaged database stays in ${join(stateFolder, restoration.damagedAs)} until you remove it`,
    );
  }
  if (payloads > 0) output.print(`Noted: ${plural(payloads, 'damaged payload')}`);
  if (restoration === null && payloads === 0)
    output.print('Nothing that was damaged waits to be acknowledged');
  return EXIT.ok;
}

async function readBackupFacts(stateFolder: string, nowMs: number): Promise<BackupFacts> {
  const database = statSync(join(stateFolder, 'dogged.db'), { throwIfNoEntry: false });
  const backups = await backupsIn(stateFolder);
  return {
    backups: backups.map(({ madeAtMs, sizeBytes }) => ({ ageMs: Math.max(0, nowMs - madeAtMs), sizeBytes })),
    databaseAgeMs: database === undefined ? null : Math.max(0, nowMs - database.birthtimeMs),
  };
}

/** As the worker understood its config; before the first worker, as it would understand an empty one. */
function settingsIn(stateFolder: string, configFile: string): Settings {
  const file = readSettings(stateFolder);
  return file.status === 'read' ? file.content : defaultSettings(stateFolder, configFile);
}

async function loadFinding(configFile: string): Promise<ConfigFinding> {
  const { readConfig } = await import('../config/load.js');
  const { formatProblem } = await import('../config/problem.js');
  try {
    const { config, problems, file } = await readConfig(configFile);
    if (config !== null) return { is: 'valid', sources: config.sources, tasks: config.tasks.length };
    return { is: 'invalid', problems: problems.map((problem) => formatProblem(problem, file)) };
  } catch (error) {
    if (error instanceof DoggedError && error.code === 'CONFIG_MISSING') return { is: 'missing' };
    throw error;
  }
}

function awayFact(outage: Outage, nowMs: number): AwayFact {
  const { dependency, sinceMs, cause, held } = outage;
  return { dependency, ageMs: Math.max(0, nowMs - sinceMs), held, cause, nextTry: trialText(outage, nowMs) };
}

async function monitor({ configFile, stateFolder }: Place, output: Output): Promise<number> {
  const { mkdirSync } = await import('node:fs');
  const { runMonitor } = await import('../health-monitor.js');
  mkdirSync(stateFolder, { recursive: true, mode: 0o700 });
  // Who runs it by hand wants a worker, whatever was wanted before.
  writeDesired(stateFolder, 'running');
  return runMonitor({ stateFolder, configFile, echo: (message) => output.note(escapeText(message)) });
}

async function recover(
  { configFile, stateFolder }: Place,
  remedy: Remedy,
  output: Output,
  clock: Clock,
): Promise<number> {
  const settings = settingsIn(stateFolder, configFile);
  const startedAtMs = clock.monotonicMs();
  const found = await recoverOnce({ stateFolder, settings, clock, say: output.note });
  if (found.need === 'none') {
    output.json({ result: 'nothing-to-do', why: found.why });
    output.print(remedy(found.why));
    return EXIT.ok;
  }
  output.note(found.why);
  const told = {
    recovery: freshNonce(),
    cause: found.cause,
    evidence: { seen: found.why, by: 'health --recover' },
  };
  const record = (outcome: RecoveryLine['outcome']) => {
    const isOver = outcome === 'recovered' || outcome === 'failed';
    const tookMs = isOver ? Math.round(clock.monotonicMs() - startedAtMs) : null;
    openRecoveryLog(stateFolder, clock)({ ...told, action: 'starting monitor and worker', outcome, tookMs });
  };
  // Before the first start there is no folder, and nothing has been lost that could be recovered.
  const isRecorded = existsSync(stateFolder);
  if (isRecorded) record('begun');
  try {
    const exitCode = await startFrom(configFile, remedy, output, clock);
    if (isRecorded) record('recovered');
    return exitCode;
  } catch (error) {
    if (isRecorded) record('failed');
    throw error;
  }
}
