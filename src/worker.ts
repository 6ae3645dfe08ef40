import { mkdirSync } from 'node:fs';
import type { Config } from './config/config.js';
import { loadConfig } from './config/load.js';
import type { Dispatcher } from './dispatch/dispatcher.js';
import { createDispatcher } from './dispatch/loop.js';
import { startHangGuard } from './heartbeat/guard.js';
import { takeHungRecords } from './heartbeat/hung-records.js';
import { createLagMeter } from './heartbeat/lag-meter.js';
import { wasKilledByUs } from './heartbeat/last-kill.js';
import { noteLastRefusal } from './heartbeat/last-refusal.js';
import { writeLastStop } from './heartbeat/last-stop.js';
import { createLifeLine } from './heartbeat/life-line.js';
import { createMonitorWatch } from './heartbeat/monitor-watch.js';
import { nameThisProcess, removePidFile, writePidFile } from './heartbeat/pid-file.js';
import { writeSettings } from './heartbeat/settings.js';
import { stateFiles } from './heartbeat/state-files.js';
import { createBeatWriter } from './heartbeat/writer.js';
import { createIntake, type Intake } from './intake/intake.js';
import { DoggedError } from './job/errors.js';
import { WorkerCounts } from './metrics/worker-counts.js';
import { createWorkerMetrics } from './metrics/worker-metrics.js';
import { systemClock as clock, pause } from './platform/clock.js';
import { failpoint } from './platform/failpoint.js';
import { createLog, type Log } from './platform/log.js';
import { programVersion } from './platform/version.js';
import { careFor, type MendedStore, noteDamage, openMendedStore } from './store/care.js';
import { createMoveWatch } from './store/move.js';
import { chosenStoreText } from './store/move-contract.js';
import { acquireStateLock, upgradeText } from './store/open.js';
import { ReadBook } from './trace/read-book.js';
import { createBackupTimer } from './upkeep/backup-timer.js';
import { checkAfterCrash } from './upkeep/check-after-crash.js';
import { createClockWatch } from './upkeep/clock-watch.js';
import { createDamageAlarm, type DamageAlarm } from './upkeep/damage-alarm.js';
import { endLoudly } from './upkeep/end-loudly.js';
import { createJumpBook } from './upkeep/jump-book.js';
import { createPruneTimer } from './upkeep/prune-timer.js';
import { createReconcileTimer } from './upkeep/reconcile-timer.js';
import { createRedisWatch, type RedisWatch } from './upkeep/redis-watch.js';
import { createShutdown, type Shutdown } from './upkeep/shutdown.js';
import { createStorageWatch, type StorageWatch } from './upkeep/storage-watch.js';
import { moverOf, redisOf, taskSettingsOf, workspacesOf } from './upkeep/store-settings.js';
import { tellRestoration } from './upkeep/tell-restoration.js';
import { createWaitNotice } from './upkeep/wait-notice.js';
import { createWorkerNews } from './upkeep/worker-news.js';
import { createWorkerReport } from './upkeep/worker-report.js';

const FIRST_POLLS_MS = 1_000;

export interface WorkerOptions {
  readonly configFile: string;
  /** Poll, run all that is due, end. Else until a signal. */
  readonly untilIdle: boolean;
}

/**
 * The worker: one event loop from a changed file to a recorded end. Resolves with the exit code once it has stopped in
 * order; throws DoggedError when it cannot start (bad config, state folder in use, a database not to be trusted).
 */
export async function runWorker({ configFile, untilIdle }: WorkerOptions): Promise<number> {
  const config = await loadConfig(configFile);
  mkdirSync(config.stateFolder, { recursive: true, mode: 0o700 });
  const lock = await acquireStateLock(config.stateFolder);
  try {
    const alarm = createDamageAlarm();
    const storage = createStorageWatch();
    const redis = createRedisWatch();
    const opened = await openMendedStore(
      config.stateFolder,
      clock,
      { onDamage: alarm.ring, onStorage: storage.tell },
      redisOf(config, redis.events),
    );
    redis.moveTo(opened.redisAddress);
    try {
      return await runLocked(config, opened, { alarm, storage, redis }, untilIdle);
    } finally {
      await opened.store.close();
    }
  } catch (error) {
    noteLastRefusal(config.stateFolder, error);
    throw error;
  } finally {
    lock.release();
  }
}

interface Watches {
  readonly alarm: DamageAlarm;
  readonly storage: StorageWatch;
  readonly redis: RedisWatch;
}

/** From here on the state folder is ours: no second worker can be at work in it. */
async function runLocked(
  config: Config,
  { store, upgrade, restoration, chosenStore }: MendedStore,
  { alarm, storage, redis }: Watches,
  untilIdle: boolean,
): Promise<number> {
  const files = stateFiles(config.stateFolder);
  const log = createLog(config.logs.level, untilIdle ? undefined : { path: files.workerLog, ...config.logs });
  endLoudly(log);
  storage.sayIn(log);
  redis.sayIn(log);
  if (upgrade !== null) log.warn(upgrade, upgradeText(upgrade));
  if (chosenStore !== null) log.warn({ store: chosenStore }, chosenStoreText(chosenStore));
  if (restoration !== null) tellRestoration(restoration, config.stateFolder, clock, log);
  const self = nameThisProcess();
  const ownership = await store.takeOwnership(self, clock.wallMs());
  const { epoch, storeId, cleanStop, previousOwner, trustedAtMs } = ownership;
  await store.configureTasks(workspacesOf(config), taskSettingsOf(config));
  writeSettings(config);
  writePidFile(files.workerPid, self);
  log.info(
    { pid: self.pid, epoch, cleanStop, config: config.file, version: programVersion() },
    'worker started',
  );

  const shutdown = createShutdown(log);
  const jumps = createJumpBook(clock);
  const clockWatch = createClockWatch({ rules: config.clock, lastTrustedMs: trustedAtMs, clock, log });
  const counts = new WorkerCounts(config);
  const reads = new ReadBook();
  const dispatcher = createDispatcher({
    config,
    store,
    clock,
    log,
    epoch,
    storeId,
    nonce: self.nonce,
    breakers: await store.breakers(),
    clockTrust: clockWatch,
    observer: counts,
    onClockJump: jumps.note,
    reads,
    // One that stopped in order may have found nobody who took its last ends.
    lastKilledByUs: cleanStop || wasKilledByUs(config.stateFolder, previousOwner),
    onFatal: shutdown.abort,
  });
  const intake = createIntake({
    config,
    store,
    clock,
    log,
    onQueued: dispatcher.nudge,
    observer: counts,
    clockTrust: clockWatch,
    reads,
    hung: takeHungRecords(config.stateFolder, config.file),
  });
  const lifeLine = await createLifeLine(self.nonce);
  const monitor = createMonitorWatch({
    stateFolder: config.stateFolder,
    configFile: config.file,
    clock,
    log,
    onUnwanted: () => shutdown.begin('the pair was stopped'),
  });
  let loopTurns = 0;
  const news = createWorkerNews({
    sources: intake.status,
    storage: storage.problem,
    redis: redis.problem,
    dispatch: () => dispatcher.status(),
    clockState: () => clockWatch.distrust()?.state ?? null,
    clockJumps: () => jumps.recent().length,
    clock,
    log,
    onNews: () => void beat.beatNow(),
  });
  const guard = startHangGuard({
    stateFolder: config.stateFolder,
    stallAfterMs: config.health.stallAfterMs,
    pid: self.pid,
    nonce: self.nonce,
    log,
  });
  const lag = createLagMeter(clock, () => {
    loopTurns += 1;
    guard.turned();
    failpoint('loop.turn');
    news.look();
  });
  const metrics = await createWorkerMetrics({
    config,
    outlets: untilIdle ? { listen: null, textfile: null } : config.metrics,
    counts,
    store,
    clock,
    log,
    nonce: self.nonce,
    lag,
    dispatch: dispatcher,
    storage: storage.problem,
    redisAbsences: redis.absences,
    onChange: () => void beat.beatNow(),
  });
  const report = createWorkerReport({
    config,
    store,
    clock,
    log,
    self,
    epoch,
    lag,
    loopTurns: () => loopTurns,
    monitor: monitor.seen,
    dispatch: dispatcher,
    intake,
    storage: storage.problem,
    clockDistrust: clockWatch.distrust,
    metrics: metrics.problem,
    clockJumps: jumps.recent,
    onFenced: shutdown.abort,
  });
  const beat = createBeatWriter({
    folder: config.heartbeat.folder,
    everyMs: config.heartbeat.everyMs,
    clock,
    log,
    compose: report.compose,
  });
  const moving = createMoveWatch({ live: store, ...moverOf(config, redis, counts, log), clock, log });
  const reconciling = createReconcileTimer({ everyMs: config.reconcileMs, intake, clock, log });
  const care = await careFor(config.stateFolder, config.pressure.diskBelowBytes ?? 0, clock);
  const backingUp = createBackupTimer({ ...config.backups, care, clock, log });
  const pruning = createPruneTimer({ keepMs: config.keepMs, store, clock, log });

  const ending = new AbortController();
  alarm.onRing((error) => {
    shutdown.abort(error);
    // None of their ends can be recorded: what runs is cut off, and left to the next worker.
    void dispatcher.stop(0);
  });
  if (!cleanStop) {
    const onDamage = async (detail: string) => {
      await noteDamage(config.stateFolder, detail);
      alarm.ring(new DoggedError('STORE_DAMAGED', { file: config.stateFolder, detail }));
    };
    void checkAfterCrash({ care, clock, log, signal: ending.signal, onDamage });
  }

  lag.start();
  beat.start();
  metrics.start();
  await dispatcher.rescue();
  await Promise.race([intake.pollTimed(), pause(clock, FIRST_POLLS_MS)]);
  dispatcher.start();
  moving.start(epoch);
  if (untilIdle) {
    report.setState('running');
    await runUntilIdle(config, intake, dispatcher, shutdown, log);
    await backingUp.makeIfDue();
  } else {
    intake.start();
    monitor.start();
    pruning.start();
    backingUp.start();
    await firstPolls(config, intake, shutdown);
    report.setState('running');
    void beat.beatNow();
    reconciling.start();
    await shutdown.begun;
  }

  ending.abort();
  report.setState('stopping');
  void beat.beatNow();
  monitor.stop();
  pruning.stop();
  await backingUp.stop();
  reconciling.stop();
  await intake.stop();
  await moving.close();
  shutdown.onHurry(() => void dispatcher.stop(0));
  const cutOff = await dispatcher.stop(config.shutdownGraceMs);
  writeLastStop(config.stateFolder, self.nonce, cutOff);

  report.setState('stopped');
  beat.stop();
  lag.stop();
  await guard.stop();
  await beat.beatNow();
  await metrics.stop();
  if (!alarm.hasRung()) await store.releaseOwnership(epoch, clock.wallMs());
  removePidFile(files.workerPid, self);
  lifeLine?.close();
  shutdown.dispose();
  log.info({ cutOff }, 'worker stopped');
  return shutdown.exitCode();
}

/** The beat that says "running" should be able to tell of each source; but one that is slow holds nobody up. */
async function firstPolls(config: Config, intake: Intake, shutdown: Shutdown): Promise<void> {
  const endMs = clock.monotonicMs() + FIRST_POLLS_MS;
  while (intake.polls < config.sources.length && clock.monotonicMs() < endMs && !shutdown.hasBegun()) {
    await pause(clock, 10);
  }
}

/** Polls and runs until neither finds anything to do. A file that is still being written is waited for. */
async function runUntilIdle(
  config: Config,
  intake: Intake,
  dispatcher: Dispatcher,
  shutdown: Shutdown,
  log: Log,
): Promise<void> {
  const stepMs = Math.min(50, config.pollMs);
  const sayWaits = createWaitNotice(intake.status, clock, log);
  while (!shutdown.hasBegun()) {
    const settled = await intake.pollOnce();
    if (settled && dispatcher.drained()) return;
    if (!settled) sayWaits();
    await pause(clock, stepMs);
  }
}
