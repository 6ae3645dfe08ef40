import type { Config, SourceConfig } from '../config/config.js';
import type { Clock } from '../platform/clock.js';
import type { Log } from '../platform/log.js';
import { type ClockTrust, TRUSTED_CLOCK } from '../policy/clock-trust.js';
import type { IntakeStore } from '../store/intake-contract.js';
import type { ReadBook } from '../trace/read-book.js';
import { systemFiles } from './file-access.js';
import type { HungRecord } from './hung.js';
import type { IntakeObserver } from './intake-observer.js';
import { RejectCopies } from './reject-copies.js';
import {
  type PolledReads,
  SourcePoller,
  type SourceReconciliation,
  type SourceStatus,
} from './source-poller.js';
import type { ReadingProgress } from './step.js';

export interface IntakeParts {
  readonly config: Config;
  readonly store: IntakeStore & PolledReads;
  readonly clock: Clock;
  readonly log: Log;
  /** Called when a commit brought jobs. */
  readonly onQueued: () => void;
  /** Left out: the clock is trusted. */
  readonly clockTrust?: ClockTrust;
  readonly observer?: IntakeObserver;
  /** What former workers stood still on: it is refused unseen. */
  readonly hung?: readonly HungRecord[];
  /** Where dispatch tells what it has read of the queue. */
  readonly reads?: ReadBook;
  /** false: hand-offs are not traced. For benchmarks alone, which tell what that costs. */
  readonly isTraced?: boolean;
}

export interface Intake {
  /** Polls each source now and then on its own timer. */
  start(): void;
  /** Resolves when no poll runs any more. A step that is being admitted is finished first. */
  stop(): Promise<void>;
  /** Polls every source now. True when nothing is waited for: no half-written file, no second look. */
  pollOnce(): Promise<boolean>;
  /** Polls what must be known before the first job is claimed: runs that were missed, and are not to be started late. */
  pollTimed(): Promise<void>;
  /** Holds sources against the ledger, one after the other: see `SourcePoller.reconcile`. Empty for what was passed over. */
  reconcile(
    which: 'all' | 'moved',
    onProgress?: (name: string, reading: ReadingProgress | null) => void,
  ): Promise<readonly SourceReconciliation[]>;
  status(): readonly SourceStatus[];
  /** Finished polls of all sources, and steps of long ones. */
  readonly polls: number;
}

/** Polls the sources of a config. One that is broken or slow never stops another. */
export function createIntake(parts: IntakeParts): Intake {
  const {
    config,
    store,
    clock,
    log,
    onQueued,
    observer,
    hung = [],
    clockTrust = TRUSTED_CLOCK,
    reads,
    isTraced,
  } = parts;
  const copies = new RejectCopies(config.stateFolder, log);
  const pollers = config.sources.map((source: SourceConfig) => {
    return new SourcePoller(source, {
      tasks: config.tasks,
      hung,
      store,
      clock,
      clockTrust,
      log,
      onQueued,
      copies,
      reads,
      isTraced,
      files: systemFiles,
      ...(observer === undefined ? {} : { observer }),
    });
  });
  return {
    start() {
      for (const poller of pollers) poller.start();
    },
    async stop() {
      await Promise.all(pollers.map((poller) => poller.stop()));
    },
    async pollOnce() {
      const settled = await Promise.all(pollers.map((poller) => poller.pollOnce()));
      return settled.every(Boolean);
    },
    async pollTimed() {
      await Promise.all(pollers.filter(({ isTimed }) => isTimed).map((poller) => poller.pollOnce()));
    },
    async reconcile(which, onProgress = () => undefined) {
      const done: SourceReconciliation[] = [];
      for (const poller of pollers) {
        const { name } = poller.status();
        const reconciliation = await poller.reconcile(which, (reading) => onProgress(name, reading));
        if (reconciliation !== null) done.push(reconciliation);
      }
      return done;
    },
    status: () => pollers.map((poller) => poller.status()),
    get polls() {
      return pollers.reduce((sum, poller) => sum + poller.polls, 0);
    },
  };
}
