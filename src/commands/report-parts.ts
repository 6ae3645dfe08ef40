import { existsSync, readdirSync, readFileSync, statfsSync, statSync } from 'node:fs';
import { arch, cpus, freemem, loadavg, release, totalmem, uptime, version } from 'node:os';
import { join } from 'node:path';
import { diagnosisLines } from '../health/diagnose.js';
import { beatFile } from '../heartbeat/read-beat.js';
import { stateFiles } from '../heartbeat/state-files.js';
import { type Clock, isoTime } from '../platform/clock.js';
import { durationText, plural, sizeText } from '../platform/duration-text.js';
import { programVersion } from '../platform/version.js';
import { engineVersion } from '../store/care.js';
import { painter } from '../view/colour.js';
import {
  configWithoutSecrets,
  learnFromText,
  settingsWithoutSecrets,
} from '../view/config-without-secrets.js';
import { outageParagraph } from '../view/outage-text.js';
import { remedyFor } from '../view/remedy.js';
import type { SecretRemover } from '../view/secret-remover.js';
import { statusScreen } from '../view/status-screen.js';
import { diagnoseSystem, settingsIn } from './diagnosis.js';
import { lastLines } from './log-files.js';
import { failedJobText } from './report-job.js';
import { lookAtSystem, withReader } from './system.js';

export interface ReportPart {
  readonly title: string;
  /** Throws where it cannot be read. Not cleaned yet. */
  read(): string | Promise<string>;
}

export interface ReportedSystem {
  readonly configFile: string;
  readonly stateFolder: string;
  /** As it was given: `-c FILE`. */
  readonly configOption: string | undefined;
  readonly withPayloads: boolean;
  readonly clock: Clock;
  readonly secrets: SecretRemover;
}

const LOG_LINES = 300;
const RECOVERY_LINES = 50;
const FAILED_JOBS = 20;
const REJECTS_COUNTED = 10_000;
const OUTAGES = 10;
/** Of each kind of evidence the newest. */
const EVIDENCE_FILES = 3;
const LARGEST_FILE_BYTES = 256 * 1024;
const NO_FILE = 'there is none';

/** What somebody who has never seen this machine needs to find what went wrong, the most telling first. */
export function reportParts(system: ReportedSystem): ReportPart[] {
  const { stateFolder, configFile, clock } = system;
  const files = stateFiles(stateFolder);
  const settings = () => settingsIn(stateFolder, configFile);
  const layout = { columns: 120, paint: painter(false), remedy: remedyFor(system.configOption) };
  let storeFailed: { readonly error: unknown } | null = null;
  /** A lock is waited for once, not once for each part. */
  const withStore = async <T>(work: Parameters<typeof withReader<T>>[2]) => {
    if (storeFailed !== null) throw storeFailed.error;
    try {
      return await withReader(stateFolder, clock, work);
    } catch (error) {
      storeFailed = { error };
      throw error;
    }
  };
  return [
    { title: 'Versions', read: versionsText },
    {
      title: 'Diagnosis',
      read: async () => diagnosisLines(await diagnoseSystem(system, layout.remedy, clock)).join('\n'),
    },
    {
      title: 'Status',
      async read() {
        const { snapshot } = await lookAtSystem(stateFolder, clock, null, async () => null);
        return statusScreen(snapshot, { stateFolder, failed: [] }, layout).join('\n');
      },
    },
    { title: 'Config', read: () => configText(system) },
    { title: 'heartbeat.json', read: () => wholeFile(beatFile(settings().heartbeatFolder)) },
    { title: 'settings.json', read: () => settingsText(files.settings, system.secrets) },
    ...(
      [
        ['desired.json', files.desired],
        ['restarts.json', files.restarts],
        ['last-stop.json', files.lastStop],
        ['last-kill.json', files.lastKill],
        ['hung-records.json', files.hungRecords],
        ['alerts.json', files.alerts],
      ] as const
    ).map(([title, path]) => ({ title, read: () => wholeFile(path) })),
    { title: 'Recoveries', read: () => tailText(files.recovery, RECOVERY_LINES) },
    ...evidenceParts(stateFolder, /^hang-.*\.json$/, 'Hangs'),
    ...evidenceParts(stateFolder, /^evidence-.*\.json$/, 'Evidence of restarts'),
    {
      title: 'Outages',
      read: async () => {
        const outages = await withStore((store) => store.outages(OUTAGES));
        return outages.map((outage) => outageParagraph(outage, clock.wallMs(), layout)).join('\n') || 'none';
      },
    },
    {
      title: 'Rejects by source and reason',
      read: async () => {
        const rejects = await withStore((store) => store.rejects(null, REJECTS_COUNTED));
        const counts = new Map<string, number>();
        for (const { source, reason } of rejects) {
          counts.set(`${source}: ${reason}`, (counts.get(`${source}: ${reason}`) ?? 0) + 1);
        }
        const some = rejects.length === REJECTS_COUNTED ? ' (of the newest)' : '';
        return [...counts].map(([what, count]) => `${what} ${count}${some}`).join('\n') || 'none';
      },
    },
    {
      title: `The last ${FAILED_JOBS} failed jobs`,
      read: () =>
        withStore(async (store) => {
          const jobs = await store.list({ states: ['failed'], limit: FAILED_JOBS });
          const texts: string[] = [];
          for (const job of jobs) texts.push(failedJobText(job, await store.get(null, job.id), system));
          return texts.join('\n\n') || 'none';
        }),
    },
    { title: 'State folder', read: () => folderText(stateFolder) },
    { title: 'Machine', read: () => machineText(stateFolder) },
    { title: `worker.log, the last ${LOG_LINES} lines`, read: () => tailText(files.workerLog, LOG_LINES) },
    {
      title: `health_monitor.log, the last ${LOG_LINES} lines`,
      read: () => tailText(files.monitorLog, LOG_LINES),
    },
  ];
}

async function versionsText(): Promise<string> {
  const names = Object.keys(process.env).filter((name) => /^(?:DOGGED|NODE_)/.test(name));
  return [
    `dogged ${programVersion()}`,
    `Node ${process.version} ${arch()}, V8 ${process.versions.v8}, libuv ${process.versions.uv}`,
    await engineVersion().catch((error: unknown) => `SQLite cannot be loaded: ${String(error)}`),
    `${process.platform} ${release()}, ${version()}`,
    `program: ${process.argv[1]}`,
    `time zone: ${Intl.DateTimeFormat().resolvedOptions().timeZone}`,
    `variables that are set (their values are left out): ${names.sort().join(', ') || 'none of DOGGED, NODE_'}`,
  ].join('\n');
}

async function configText({ configFile, secrets, withPayloads }: ReportedSystem): Promise<string> {
  const { readConfig } = await import('../config/load.js');
  const { formatProblem } = await import('../config/problem.js');
  const text = readFileSync(configFile, 'utf8');
  // Before anything that may fail, or in a module go on for ever.
  learnFromText(text, secrets);
  const { value, problems } = await readConfig(configFile);
  const shown =
    value === undefined
      ? `${configFile} cannot be read as a config: its text is left out, since nobody can tell what in it is secret.`
      : `${configFile}, as it is understood (comments are left out):\n${JSON.stringify(configWithoutSecrets(value, secrets, { withPayloads }), null, 2)}`;
  return [shown, ...problems.map((problem) => formatProblem(problem, configFile))].join('\n');
}

function evidenceParts(stateFolder: string, pattern: RegExp, kind: string): ReportPart[] {
  let names: readonly string[];
  try {
    names = readdirSync(stateFolder).filter((name) => pattern.test(name));
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'none' : String(error);
    return [{ title: kind, read: () => why }];
  }
  const newest = [...names].sort().slice(-EVIDENCE_FILES).reverse();
  if (newest.length === 0) return [{ title: kind, read: () => 'none' }];
  return newest.map((name) => ({ title: name, read: () => wholeFile(join(stateFolder, name)) }));
}

function wholeFile(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return NO_FILE;
  if (!stat.isFile()) throw new Error(`${path} is no file`);
  if (stat.size > LARGEST_FILE_BYTES)
    throw new Error(`${path} has ${sizeText(stat.size)}, which is too much`);
  return readFileSync(path, 'utf8');
}

/** Of the config with which the worker was started: that may have changed since. */
function settingsText(path: string, secrets: SecretRemover): string {
  const text = wholeFile(path);
  if (text === NO_FILE) return text;
  try {
    return settingsWithoutSecrets(text, secrets);
  } catch (cause) {
    throw new Error('it is no JSON, and left out, since nobody can tell what in it is secret', { cause });
  }
}

function tailText(path: string, lines: number): string {
  if (existsSync(path) && !statSync(path).isFile()) throw new Error(`${path} is no file`);
  const part = lastLines(path, lines);
  return part.cursor === null ? NO_FILE : part.lines.join('\n') || 'empty';
}

function folderText(stateFolder: string): string {
  const lines = [stateFolder];
  for (const name of readdirSync(stateFolder, { recursive: true, encoding: 'utf8' }).sort()) {
    const stat = statSync(join(stateFolder, name), { throwIfNoEntry: false });
    if (stat === undefined) continue;
    const mode = (stat.mode & 0o7777).toString(8).padStart(4, '0');
    lines.push(`${mode} ${stat.uid} ${isoTime(stat.mtimeMs)} ${sizeText(stat.size).padStart(7)}  ${name}`);
  }
  return lines.join('\n');
}

function machineText(stateFolder: string): string {
  const { bavail, blocks, bsize, type } = statfsSync(existsSync(stateFolder) ? stateFolder : '.');
  const processors = cpus();
  return [
    `${plural(processors.length, 'processor')} (${processors[0]?.model ?? 'unknown'}), load ${loadavg()
      .map((load) => load.toFixed(2))
      .join(' ')}`,
    `memory ${sizeText(totalmem())}, ${sizeText(freemem())} free; up for ${durationText(uptime() * 1_000)}`,
    `disk of the state folder: ${sizeText(bavail * bsize)} free of ${sizeText(blocks * bsize)}, file system 0x${type.toString(16)}`,
    `user ${process.getuid?.() ?? 'unknown'}`,
  ].join('\n');
}
