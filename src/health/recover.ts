import { readDesired, writeDesired } from '../heartbeat/desired.js';
import { writeLastKill } from '../heartbeat/last-kill.js';
import { runningProcess } from '../heartbeat/pid-file.js';
import { readBeat } from '../heartbeat/read-beat.js';
import type { Settings } from '../heartbeat/settings.js';
import { stateFiles } from '../heartbeat/state-files.js';
import { type Clock, pause } from '../platform/clock.js';
import { endProcess } from './restart.js';

export type RecoveryNeed =
  /** Both run and the worker moves, or somebody wants it stopped. */
  | { readonly need: 'none'; readonly why: string }
  /** Monitor or worker is not there: starting the pair mends it. */
  | { readonly need: 'start'; readonly cause: 'died' | 'hung' | 'no-monitor'; readonly why: string };

export interface RecoverOptions {
  readonly stateFolder: string;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly say: (text: string) => void;
}

/**
 * Acts once on what is wrong: ends a worker that is stuck, and says whether the pair then has to be started. A beat that
 * looks old is watched for one period first: the clock may have been set.
 */
export async function recoverOnce(options: RecoverOptions): Promise<RecoveryNeed> {
  const { stateFolder, settings, clock, say } = options;
  const files = stateFiles(stateFolder);
  const desired = readDesired(stateFolder);
  if (desired.status === 'read' && desired.content.desired === 'stopped') {
    return { need: 'none', why: 'It was stopped on request. To start it: dogged start' };
  }
  const worker = runningProcess(files.workerPid);
  if (worker === null) return { need: 'start', cause: 'died', why: 'The worker is not running.' };
  const standsAt = seqOf(settings, worker.nonce);
  if (ageOf(settings, clock) > settings.health.stuckMs) {
    say(
      `The last beat is old; watching for another ${Math.ceil((1.5 * settings.heartbeatEveryMs) / 1_000)} s …`,
    );
    const endMs = clock.monotonicMs() + 1.5 * settings.heartbeatEveryMs;
    while (seqOf(settings, worker.nonce) === standsAt && clock.monotonicMs() < endMs) await pause(clock, 200);
    if (seqOf(settings, worker.nonce) === standsAt) {
      say(`The worker (PID ${worker.pid}) is stuck: ending it.`);
      const unwritten = writeLastKill(stateFolder, worker, 'its beat stood still: health --recover');
      if (unwritten !== null)
        say(`That could not be written down, so its jobs may count a crash: ${unwritten}`);
      await endProcess(worker, { how: 'kill', graceMs: 0, clock });
      // A new request: nothing that came to nothing before holds the start back.
      writeDesired(stateFolder, 'running');
      return { need: 'start', cause: 'hung', why: 'The stuck worker was ended.' };
    }
  }
  if (runningProcess(files.monitorPid) === null)
    return { need: 'start', cause: 'no-monitor', why: 'The health monitor is not running.' };
  return { need: 'none', why: 'Nothing to recover: both processes run and the worker moves.' };
}

/** Null before the first beat of this very worker. */
function seqOf({ heartbeatFolder }: Settings, nonce: string): number | null {
  const file = readBeat(heartbeatFolder);
  return file.status === 'read' && file.content.nonce === nonce ? file.content.seq : null;
}

function ageOf({ heartbeatFolder }: Settings, clock: Clock): number {
  const file = readBeat(heartbeatFolder);
  return file.status === 'read' ? clock.wallMs() - Date.parse(file.content.wallTime) : 0;
}
