import type { Beat } from '../heartbeat/beat.js';
import { readDesired } from '../heartbeat/desired.js';
import { type Hang, hangFiles, readHang, tellHang } from '../heartbeat/hang-file.js';
import { type NamedIdentity, readPidFile, runningProcess } from '../heartbeat/pid-file.js';
import { readBeat } from '../heartbeat/read-beat.js';
import type { StateFile } from '../heartbeat/read-state-file.js';
import { type RecoveryLine, readRecoveries } from '../heartbeat/recovery-log.js';
import type { Settings } from '../heartbeat/settings.js';
import { stateFiles } from '../heartbeat/state-files.js';
import type { Clock } from '../platform/clock.js';
import { countText, durationText, plural, sizeText } from '../platform/duration-text.js';
import { type Check, type CheckResult, result } from './check.js';
import { type Phase, readTally } from './tally.js';

interface ProcessFigures {
  readonly upMs: number;
  readonly rssBytes: number;
  /** Percent of one core, as a mean since it started. */
  readonly cpu: number;
}

export interface ProcessChecksInput {
  readonly stateFolder: string;
  readonly settings: Settings;
  readonly clock: Clock;
  /** Of the program that diagnoses. */
  readonly version: string;
  /** Null for a process that has just ended. */
  readonly figuresOf: (pid: number) => ProcessFigures | null;
}

const HOUR_MS = 60 * 60_000;
const DAY_MS = 24 * HOUR_MS;
/** Recoveries in an hour from which on something is wrong, though each of them worked. */
const MANY_RECOVERIES = 3;
const LAG_WARN_MS = 1_000;

/** What the state folder and `/proc` tell; needs neither config nor database. */
export function processChecks(input: ProcessChecksInput): Check[] {
  const { stateFolder, settings, clock } = input;
  const files = stateFiles(stateFolder);
  const worker = runningProcess(files.workerPid);
  const monitor = runningProcess(files.monitorPid);
  const file = readBeat(settings.heartbeatFolder);
  const beat = beatOf(worker, file);
  // By the wall clock, for people: no decision rests on it, and a clock that was set back makes it 0.
  const ageMs = beat === null ? null : Math.max(0, clock.wallMs() - Date.parse(beat.wallTime));

  return [
    { name: 'worker', run: () => checkWorker(input, worker) },
    { name: 'monitor', run: () => checkMonitor(worker, monitor) },
    { name: 'heartbeat', run: () => checkHeartbeat(settings, worker, file, ageMs) },
    { name: 'progress', run: () => checkProgress(beat, ageMs) },
    { name: 'storage', run: () => checkStorage(stateFolder, beat) },
    { name: 'deadlock', run: () => checkDeadlock(input, beat, ageMs) },
    { name: 'recoveries', run: () => checkRecoveries(stateFolder, clock) },
    { name: 'versions', run: () => checkVersions(input.version, beat) },
  ];
}

/** The last beat of the worker that runs; null where none runs, or it has not beaten yet. */
export function currentBeat(stateFolder: string, { heartbeatFolder }: Settings): Beat | null {
  return beatOf(runningProcess(stateFiles(stateFolder).workerPid), readBeat(heartbeatFolder));
}

function beatOf(worker: NamedIdentity | null, file: StateFile<Beat>): Beat | null {
  return file.status === 'read' && file.content.nonce === worker?.nonce ? file.content : null;
}

function checkWorker(
  { stateFolder, figuresOf }: ProcessChecksInput,
  worker: NamedIdentity | null,
): CheckResult[] {
  const say = (status: CheckResult['status'], text: string, remedy: string | null = null) => [
    result('worker', 'worker', status, text, remedy),
  ];
  if (worker !== null) return say('ok', `PID: ${worker.pid}${tellFigures(worker.pid, figuresOf)}`);
  const desired = readDesired(stateFolder);
  if (desired.status === 'read' && desired.content.desired === 'stopped') {
    return say('critical', 'not running: it was stopped on request', 'dogged start');
  }
  const tally = readTally(stateFolder);
  const waiting = tally === null ? undefined : WAITING_FOR[tally.phase];
  if (tally !== null && waiting !== undefined) return say('critical', tally.why, waiting);
  const pidFile = readPidFile(stateFiles(stateFolder).workerPid);
  if (pidFile.status === 'read') return say('critical', `PID ${pidFile.content.pid} is gone`, 'dogged start');
  return say('critical', 'not running', 'dogged start');
}

/** Figures are an extra: that they cannot be had says nothing against the worker. */
function tellFigures(pid: number, figuresOf: ProcessChecksInput['figuresOf']): string {
  try {
    const figures = figuresOf(pid);
    if (figures === null) return '';
    const { upMs, rssBytes, cpu } = figures;
    return `, up ${durationText(upMs)}, ${sizeText(rssBytes)}, ${cpu.toFixed(1)} % CPU since its start`;
  } catch (error) {
    return ` (its figures could not be read: ${error instanceof Error ? error.message : String(error)})`;
  }
}

/** Phases in which no worker runs, and what a person can do then. */
const WAITING_FOR: Readonly<Partial<Record<Phase, string>>> = {
  'backing-off': 'dogged logs',
  'await-config': 'dogged check',
  'await-mending': 'dogged logs',
  'await-holder': 'dogged logs',
  'gave-up': 'dogged start',
};

function checkMonitor(worker: NamedIdentity | null, monitor: NamedIdentity | null): CheckResult[] {
  if (monitor === null) {
    const status = worker === null ? 'critical' : 'warning';
    const text = worker === null ? 'not running' : 'not running: nobody would restart the worker';
    return [result('monitor', 'monitor', status, text, 'dogged start')];
  }
  const all = worker === null ? [] : [result('processes', null, 'ok', 'All processes running')];
  return [result('monitor', 'monitor', 'ok', `PID: ${monitor.pid}`), ...all];
}

function checkHeartbeat(
  { health }: Settings,
  worker: NamedIdentity | null,
  file: StateFile<Beat>,
  ageMs: number | null,
): CheckResult[] {
  const say = (status: CheckResult['status'], text: string, remedy: string | null = null) => [
    result('heartbeat', null, status, text, remedy),
  ];
  if (file.status === 'invalid') return say('critical', `Status file damaged: ${file.why}`, 'dogged restart');
  if (worker === null) return say('not-applicable', 'No status file to expect: no worker runs');
  if (ageMs === null) return say('warning', 'The worker has not beaten yet', 'dogged logs');
  const old = `${durationText(ageMs)} old`;
  if (ageMs > health.stuckMs) return say('critical', `Status file stale: ${old}`, 'dogged health --recover');
  if (ageMs > health.freshMs) return say('warning', `Status file late: ${old}`, 'dogged logs');
  return say('ok', `Status file fresh: ${old}`);
}

function checkProgress(beat: Beat | null, ageMs: number | null): CheckResult[] {
  if (beat === null || ageMs === null)
    return [result('progress', 'Progress', 'not-applicable', 'no beat tells of any')];
  const { polls, commits, claims, completed, failed } = beat.counters;
  const counts = { polls, commits, claims, completed, failed };
  const figures = Object.entries(counts).map(([name, count]) => `${name} ${countText(count)}`);
  const text = `${figures.join(' · ')}, as of ${durationText(ageMs)} ago`;
  if (beat.held !== undefined) {
    const { forMs, pids } = beat.held;
    const who = pids.length === 0 ? 'another process' : `PID ${pids.join(', ')}`;
    const why = `${who} has held the database for ${durationText(forMs)}; ${text}`;
    return [
      result('progress', 'Progress', 'warning', why, pids[0] === undefined ? null : `ps -fp ${pids[0]}`),
    ];
  }
  if (beat.state !== 'running') {
    return [
      result('progress', 'Progress', 'warning', `the worker is ${beat.state}; ${text}`, 'dogged status'),
    ];
  }
  return [result('progress', 'Progress', 'ok', text)];
}

/** Only while there is something to say: what the database can do is told by its own check. */
function checkStorage(stateFolder: string, beat: Beat | null): CheckResult[] {
  if (beat?.storage === undefined) return [];
  const text = `intake and claims wait, and go on by themselves: ${beat.storage.replace(/\.$/, '')}`;
  return [result('storage', 'Storage', 'critical', text, `df -h ${stateFolder}`)];
}

function checkDeadlock(
  { stateFolder, settings, clock }: ProcessChecksInput,
  beat: Beat | null,
  ageMs: number | null,
): CheckResult[] {
  const say = (status: CheckResult['status'], text: string, remedy: string | null = null) => [
    result('deadlock', null, status, text, remedy),
  ];
  if (beat === null || ageMs === null) return say('not-applicable', 'No loop to judge: no worker beats');
  if (ageMs > settings.health.stuckMs) {
    return say('critical', `Stuck: nothing has moved for ${durationText(ageMs)}`, 'dogged health --recover');
  }
  const lag = `loop lag p99 ${Math.round(beat.lag.p99Ms)} ms, longest ${Math.round(beat.lag.maxMs)} ms`;
  const stalls = stallsWithin(stateFolder, clock.wallMs() - HOUR_MS);
  const last = stalls.at(-1);
  if (last !== undefined) {
    const text = `${plural(stalls.length, 'stall')} in the last hour, the last in ${tellHang(last)}; ${lag}`;
    return say('warning', text, 'dogged logs --monitor');
  }
  if (beat.lag.p99Ms >= LAG_WARN_MS) return say('warning', `The loop is slow: ${lag}`, 'dogged logs');
  return say('ok', `No deadlock detected: ${lag}`);
}

function stallsWithin(stateFolder: string, sinceMs: number): readonly Hang[] {
  return hangFiles(stateFolder)
    .flatMap((name) => readHang(stateFolder, name) ?? [])
    .filter(({ at }) => Date.parse(at) >= sinceMs);
}

function checkRecoveries(stateFolder: string, clock: Clock): CheckResult[] {
  const nowMs = clock.wallMs();
  const lines = readRecoveries(stateFolder);
  const within = (spanMs: number) => lines.filter((line) => nowMs - Date.parse(line.at) <= spanMs);
  const number = (some: readonly RecoveryLine[]) => new Set(some.map((line) => line.recovery)).size;
  const inTheDay = number(within(DAY_MS));
  const inTheHour = number(within(HOUR_MS));
  const say = (status: CheckResult['status'], text: string, remedy: string | null = null) => [
    result('recoveries', 'Recoveries', status, text, remedy),
  ];
  if (inTheHour >= MANY_RECOVERIES) {
    const causes = [...new Set(within(HOUR_MS).map((line) => line.cause))].join(', ');
    return say('warning', `${inTheHour} in the last hour (${causes})`, 'dogged logs --monitor');
  }
  return say('ok', inTheDay === 0 ? 'none in the last 24 h' : `${inTheDay} in the last 24 h`);
}

function checkVersions(version: string, beat: Beat | null): CheckResult[] {
  const text = `dogged ${version}, Node ${process.version}`;
  if (beat === null || beat.version === version) return [result('versions', 'Versions', 'ok', text)];
  return [
    result(
      'versions',
      'Versions',
      'warning',
      `the worker is of ${beat.version}, this is ${version}`,
      'dogged restart',
    ),
  ];
}
