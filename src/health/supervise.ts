import type { Beat } from '../heartbeat/beat.js';
import { readDesired } from '../heartbeat/desired.js';
import { writeLastKill } from '../heartbeat/last-kill.js';
import { readLastRefusal } from '../heartbeat/last-refusal.js';
import { runningProcess } from '../heartbeat/pid-file.js';
import { defaultSettings, readSettings, type Settings } from '../heartbeat/settings.js';
import { stateFiles } from '../heartbeat/state-files.js';
import type { Clock } from '../platform/clock.js';
import { readProcessStat, signalProved } from '../platform/process-identity.js';
import { stampOf } from './config-stamp.js';
import { type Action, causeOf, decideOnEnd, type End, type StuckVerdict } from './decide.js';
import { takeEvidence } from './evidence.js';
import { createHealthLine } from './health-line.js';
import type { MonitorLog } from './monitor-log.js';
import type { RecoveryTeller } from './recovery.js';
import { endProcess, isGone } from './restart.js';
import type { Phase, TallyBook } from './tally.js';
import { tellAction, tellBeat, tellEnd } from './tell.js';
import { type WorkerWatch, watchWorker } from './watch-worker.js';
import { adoptWorker, startWorker, type WorkerExit, type WorkerProgram } from './worker-process.js';

export interface SupervisorOptions {
  readonly program: WorkerProgram;
  readonly clock: Clock;
  readonly log: MonitorLog;
  readonly recovery: RecoveryTeller;
  readonly tally: TallyBook;
  readonly alerts?: { see(beat: Beat | null, settings: Settings): void };
}

type Stage =
  | { readonly at: 'start' }
  | { readonly at: 'watching'; readonly watch: WorkerWatch }
  /** A stuck worker is being ended; nothing may be started beside it. */
  | { readonly at: 'ending' }
  | { readonly at: 'ended'; readonly watch: WorkerWatch; readonly stuck: StuckVerdict }
  | { readonly at: 'waiting'; readonly untilMs: number; readonly phase: Phase }
  | { readonly at: 'over' };

const UNKNOWN_EXIT: WorkerExit = { code: null, signal: null };
/** The heartbeat is looked at this often, or eight times within the shortest threshold. */
const LONGEST_CHECK_MS = 1_000;
/** A first beat is looked for more often: it ends a recovery. */
const FIRST_BEAT_CHECK_MS = 50;
const UNKILLABLE_SAID_EVERY_MS = 60_000;
const CANNOT_SIGNAL_RETRY_MS = 60_000;

/**
 * Keeps one worker at work: starts or adopts it, watches it, ends it when it is stuck, starts another. One step at a
 * time; a step is taken every second, and at once when the worker's end is told.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #sayHealth;
  #stage: Stage = { at: 'start' };
  #settings: Settings;
  #wanted = true;
  #configStamp = '';
  #cancelTimer: (() => void) | null = null;
  #over: (() => void) | null = null;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#sayHealth = createHealthLine(options.log, options.clock);
    this.#settings = defaultSettings(options.program.stateFolder, options.program.configFile);
  }

  /** Resolves when nothing is left to watch: `stopped` is desired and the worker has ended, or after `shutDown`. */
  run(): Promise<void> {
    return new Promise((resolve) => {
      this.#over = resolve;
      this.#step();
    });
  }

  /** Ends the watch and leaves the worker at work; when `stopped` is desired, one that just boots is told to end. */
  async shutDown(): Promise<void> {
    const { program, clock } = this.#options;
    const stage = this.#stage;
    this.#finish();
    if (stage.at !== 'watching') return;
    const { identity } = stage.watch.worker;
    this.#readDesired();
    // One that is registered is ended by `dogged stop`: a second SIGTERM would cut its grace short.
    const registered = runningProcess(stateFiles(program.stateFolder).workerPid)?.pid === identity.pid;
    if (this.#wanted || registered || !signalProved(identity, 'SIGTERM')) return;
    await isGone(identity, this.#settings.shutdownGraceMs, clock);
  }

  #finish(): void {
    this.#cancelTimer?.();
    if (this.#stage.at === 'watching') this.#stage.watch.worker.forget();
    this.#stage = { at: 'over' };
    this.#over?.();
  }

  readonly #step = (): void => {
    if (this.#isOver()) return;
    this.#cancelTimer?.();
    try {
      this.#take();
    } catch (error) {
      // A full disk or an unreadable file must not end the watch: the next step tries again.
      this.#options.log.error(`a check failed: ${String(error)}`, { stack: (error as Error).stack });
    }
    if (!this.#isOver()) this.#cancelTimer = this.#options.clock.after(this.#nextStepMs(), this.#step);
  };

  #isOver(): boolean {
    return this.#stage.at === 'over';
  }

  #take(): void {
    const asked = this.#readDesired();
    const stage = this.#stage;
    switch (stage.at) {
      case 'over':
      case 'ending':
        break;
      case 'start':
        if (this.#wanted) this.#start();
        else this.#finish();
        break;
      case 'waiting':
        if (!this.#wanted) this.#finish();
        else if (asked || this.#isDue(stage)) this.#start();
        break;
      case 'watching': {
        const exit = stage.watch.worker.exit();
        if (exit === null) this.#look(stage.watch);
        else this.#onEnd(stage.watch, exit, null);
        break;
      }
      case 'ended':
        this.#onEnd(stage.watch, UNKNOWN_EXIT, stage.stuck);
        break;
    }
  }

  /** True when somebody has asked for `running` since the last step: then nothing of the past holds a start back. */
  #readDesired(): boolean {
    const file = readDesired(this.#options.program.stateFolder);
    if (file.status !== 'read') return false;
    this.#wanted = file.content.desired === 'running';
    return this.#wanted && this.#options.tally.beginRequest(file.content.request);
  }

  #isDue({ phase, untilMs }: Stage & { at: 'waiting' }): boolean {
    const { program, clock } = this.#options;
    if (clock.monotonicMs() >= untilMs) return true;
    const forConfig = phase === 'await-config' || phase === 'await-mending';
    if (forConfig) return stampOf(program.configFile) !== this.#configStamp;
    if (phase === 'await-holder') return runningProcess(stateFiles(program.stateFolder).workerPid) !== null;
    return false;
  }

  #start(): void {
    const { program, clock, tally, log } = this.#options;
    this.#configStamp = stampOf(program.configFile);
    const worker = adoptWorker(program.stateFolder, clock, this.#step) ?? startWorker(program, this.#step);
    if (worker === null) {
      this.#onEnd(null, UNKNOWN_EXIT, null);
      return;
    }
    this.#stage = { at: 'watching', watch: watchWorker(worker, program.stateFolder, clock) };
    const { pid } = worker.identity;
    log.info(worker.adopted ? `watching the worker that runs (PID ${pid})` : `started a worker (PID ${pid})`);
    tally.setPhase('starting', `PID ${pid} has not beaten yet`);
  }

  #look(watch: WorkerWatch): void {
    const { program, tally, recovery } = this.#options;
    // The worker writes its settings before its first beat, and never again.
    if (watch.lastBeat() === null) {
      const settings = readSettings(program.stateFolder);
      if (settings.status === 'read') this.#settings = settings.content;
    }
    const verdict = watch.look(this.#settings, this.#nextStepMs());
    const beat = watch.lastBeat();
    this.#options.alerts?.see(beat, this.#settings);
    const { pid } = watch.worker.identity;
    if (verdict.is === 'unseen') return;
    if (verdict.is === 'stuck') {
      if (this.#wanted) void this.#end(watch, verdict);
      return;
    }
    if (beat === null) return;
    tally.setPhase('watching', `PID ${pid}`);
    recovery.settle(pid);
    if (watch.hasProved()) tally.clear();
    if (verdict.is === 'late') this.#sayHealth('degraded', `${verdict.why} (worker PID ${pid})`);
    else this.#sayHealth('healthy', `worker PID ${pid}, ${tellBeat(beat)}`);
  }

  /** Evidence first; then the worker's end, however long that takes. */
  async #end(watch: WorkerWatch, stuck: StuckVerdict): Promise<void> {
    const { program, clock, log, recovery } = this.#options;
    const { identity } = watch.worker;
    const who = `the worker (PID ${identity.pid})`;
    this.#stage = { at: 'ending' };
    recovery.notice({
      cause: stuck.cause,
      evidence: {
        pid: identity.pid,
        why: stuck.why,
        processState: readProcessStat(identity.pid)?.state ?? 'gone',
        hang: watch.hang()?.file ?? null,
        bundle: this.#takeEvidence(watch, stuck.why),
        beat: watch.lastBeat(),
      },
    });
    recovery.act('begun', `${stuck.why}: ending ${who}`);
    this.#sayHealth('unhealthy', `${stuck.why} (worker PID ${identity.pid})`);
    const unwritten = writeLastKill(program.stateFolder, identity, stuck.why);
    if (unwritten !== null) log.error(`its jobs may count a crash for this: ${unwritten}`);
    try {
      const graceMs = this.#settings.shutdownGraceMs;
      let result = await endProcess(identity, { how: stuck.how, graceMs, clock });
      while (result === 'unkillable' && !this.#isOver()) {
        log.error(
          `${who} cannot be killed: it waits inside the kernel; no other is started until it is gone`,
        );
        result = (await isGone(identity, UNKILLABLE_SAID_EVERY_MS, clock)) ? 'gone' : 'unkillable';
      }
    } catch (error) {
      if (!this.#isOver())
        this.#wait('await-holder', CANNOT_SIGNAL_RETRY_MS, `${who} cannot be ended: ${String(error)}`);
      return;
    }
    if (this.#isOver()) return;
    this.#stage = { at: 'ended', watch, stuck };
    this.#step();
  }

  #takeEvidence(watch: WorkerWatch, why: string): string {
    const { program, clock } = this.#options;
    const { pid } = watch.worker.identity;
    const { stateFolder } = program;
    return takeEvidence({ stateFolder, clock, pid, why, hang: watch.hang(), beat: watch.lastBeat() });
  }

  #onEnd(watch: WorkerWatch | null, exit: WorkerExit, stuck: StuckVerdict | null): void {
    const { clock, log, program, recovery, tally } = this.#options;
    this.#stage = { at: 'start' };
    watch?.worker.forget();
    this.#readDesired();
    const pid = watch?.worker.identity.pid ?? 0;
    const end: End = {
      ...exit,
      stuck: stuck?.cause ?? null,
      fruitful: watch?.wasFruitful(stuck !== null) ?? false,
      refusal: watch === null ? null : readLastRefusal(program.stateFolder, watch.worker.identity),
    };
    if (!this.#wanted) {
      log.info(`${tellEnd(pid, end, stuck?.why)}, and is to stay so`);
      this.#finish();
      return;
    }
    const cause = causeOf(end);
    // What is waited for is asked again and again: that it is still so is neither a recovery nor new evidence.
    if (stuck === null && !(cause !== 'died' && recovery.isOpen(cause))) {
      const bundle = watch === null ? null : this.#takeEvidence(watch, tellEnd(pid, end));
      recovery.notice({ cause, evidence: { pid, ...exit, bundle, beat: watch?.lastBeat() ?? null } });
    }
    if (cause === 'died') {
      if (end.fruitful) tally.clear();
      else tally.addFruitless(clock.wallMs());
    }
    const { restarts } = this.#settings.health;
    const fruitlessInARow = tally.inARow();
    const fruitlessInWindow = tally.inWindow(clock.wallMs(), restarts.withinMs);
    const { gaveUp } = tally.current();
    const action = decideOnEnd(end, { fruitlessInARow, fruitlessInWindow, gaveUp }, restarts);
    const ended = tellEnd(pid, end, stuck?.why);
    this.#act(action, tellAction(action, ended, end.refusal, fruitlessInARow, program.configFile));
  }

  #act(action: Action, why: string): void {
    switch (action.do) {
      case 'start':
        if (action.afterMs > 0) {
          this.#wait('backing-off', action.afterMs, why);
          break;
        }
        this.#start();
        this.#options.recovery.act('begun', why);
        this.#sayHealth('unhealthy', why);
        break;
      case 'await-config':
      case 'await-mending':
      case 'await-holder':
        this.#wait(action.do, action.retryMs, why);
        break;
      case 'give-up':
        this.#options.tally.giveUp();
        this.#wait('gave-up', action.retryMs, why);
        break;
    }
  }

  #wait(phase: Phase, forMs: number, why: string): void {
    const { clock, recovery, tally } = this.#options;
    this.#stage = { at: 'waiting', untilMs: clock.monotonicMs() + forMs, phase };
    tally.setPhase(phase, why, clock.wallMs() + forMs);
    recovery.act(phase === 'gave-up' ? 'gave-up' : 'waiting', why);
    this.#sayHealth('unhealthy', why);
  }

  #checkEveryMs(): number {
    const { stuckMs, idleStuckAfterMs } = this.#settings.health;
    return Math.max(20, Math.min(LONGEST_CHECK_MS, stuckMs / 8, idleStuckAfterMs / 8));
  }

  #nextStepMs(): number {
    const stage = this.#stage;
    if (stage.at === 'watching' && stage.watch.lastBeat() === null) return FIRST_BEAT_CHECK_MS;
    if (stage.at !== 'waiting') return this.#checkEveryMs();
    return Math.max(0, Math.min(this.#checkEveryMs(), stage.untilMs - this.#options.clock.monotonicMs()));
  }
}
