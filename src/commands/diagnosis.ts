import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { alertsCheck } from '../health/check-alerts.js';
import { type BackupFacts, backupCheck } from '../health/check-backups.js';
import { clockCheck } from '../health/check-clock.js';
import { type ConfigFinding, configCheck } from '../health/check-config.js';
import { hardwareChecks } from '../health/check-hardware.js';
import { machineChecks } from '../health/check-machine.js';
import { metricsCheck } from '../health/check-metrics.js';
import { pagesCheck } from '../health/check-pages.js';
import { currentBeat, processChecks } from '../health/check-processes.js';
import { type AwayFact, type QueueFacts, queueChecks } from '../health/check-queue.js';
import { restorationCheck } from '../health/check-restoration.js';
import { sourceFilesCheck } from '../health/check-sources.js';
import { type Diagnosis, diagnose } from '../health/diagnose.js';
import { defaultSettings, readSettings, type Settings } from '../heartbeat/settings.js';
import { DoggedError } from '../job/errors.js';
import type { Clock } from '../platform/clock.js';
import { programVersion } from '../platform/version.js';
import { backupsIn, findDamageIn, restorationIn } from '../store/care.js';
import { chosenStoreText, type Move, mirrorProblemText } from '../store/move-contract.js';
import type { Outage } from '../store/read-contract.js';
import type { TraceReads } from '../store/trace-contract.js';
import { painter } from '../view/colour.js';
import { moveText } from '../view/move-text.js';
import { trialText } from '../view/outage-text.js';
import { readProcessFigures } from '../view/process-figures.js';
import type { Remedy } from '../view/remedy.js';
import { lookAtSystem } from './system.js';

/** Where a system is: as much of it as is known of one with a broken config. */
export interface Place {
  readonly configFile: string;
  readonly stateFolder: string;
}

/** Of damaged payloads, and of broken polls. */
const MOST_NAMED = 10;
const BROKEN_WITHIN_MS = 24 * 3_600_000;

/** Every check there is, for `health --diagnose` and whatever tells of it. */
export async function diagnoseSystem(
  { configFile, stateFolder }: Place,
  remedy: Remedy,
  clock: Clock,
): Promise<Diagnosis> {
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
        const { move, chosenStore } = snapshot;
        const told = {
          move:
            move === null
              ? null
              : { text: moveText(move, nowMs, painter(false)), problems: problemsOf(move) },
          otherStore: chosenStore === null ? null : chosenStoreText(chosenStore),
        };
        return { ...snapshot, ...extras, ...told, outages };
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
    alertsCheck(settings, stateFolder, clock.wallMs()),
    metricsCheck(settings, currentBeat(stateFolder, settings)),
    restorationCheck(clock.wallMs(), () => restorationIn(stateFolder)),
    backupCheck(settings, () => readBackupFacts(stateFolder, clock.wallMs())),
    ...machineChecks(stateFolder),
    clockCheck({
      nowWallMs: clock.wallMs(),
      beat: currentBeat(stateFolder, settings),
      heartbeatFolder: settings.heartbeatFolder,
    }),
    ...hardwareChecks(),
  ];
  return diagnose(checks, clock, remedy);
}

function problemsOf(move: Move): string[] {
  const { problem, divergent } = move;
  const differ = divergent === null || divergent === 0 ? null : `${divergent} job(s) differ in the mirror`;
  return [problem, mirrorProblemText(move), differ].filter((one) => one !== null);
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

async function readBackupFacts(stateFolder: string, nowMs: number): Promise<BackupFacts> {
  const database = statSync(join(stateFolder, 'dogged.db'), { throwIfNoEntry: false });
  const backups = await backupsIn(stateFolder);
  return {
    backups: backups.map(({ madeAtMs, sizeBytes }) => ({ ageMs: Math.max(0, nowMs - madeAtMs), sizeBytes })),
    databaseAgeMs: database === undefined ? null : Math.max(0, nowMs - database.birthtimeMs),
  };
}

/** As the worker understood its config; before the first worker, as it would understand an empty one. */
export function settingsIn(stateFolder: string, configFile: string): Settings {
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
