import { readFile } from 'node:fs/promises';
import type { Config } from '../config/config.js';
import type {
  Beat,
  BeatClock,
  BeatEnd,
  BeatFailure,
  BeatLook,
  BeatMachine,
  BeatOutage,
  BeatReading,
  BeatSlot,
  WorkerState,
} from '../heartbeat/beat.js';
import { composeBeat } from '../heartbeat/compose-beat.js';
import type { LagMeter } from '../heartbeat/lag-meter.js';
import type { NamedIdentity } from '../heartbeat/pid-file.js';
import { stateFiles } from '../heartbeat/state-files.js';
import { DoggedError } from '../job/errors.js';
import { type Clock, isoTime } from '../platform/clock.js';
import type { Log } from '../platform/log.js';
import { programVersion } from '../platform/version.js';
import { withoutKeptEnds } from '../policy/kept-ends.js';
import type { Pressure } from '../policy/pressure.js';
import { explainWaiting, heldTasks } from '../policy/waiting.js';
import type { UpkeepStore } from '../store/contract.js';
import type { Outage, QueueCounts, ReadStore } from '../store/read-contract.js';

/** What is asked of the parts of a worker. */
export interface ReportedParts {
  readonly config: Config;
  readonly store: Pick<ReadStore, 'counts'> & Pick<UpkeepStore, 'pulse' | 'heldElsewhere'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly self: NamedIdentity;
  readonly epoch: number;
  readonly lag: LagMeter;
  readonly loopTurns: () => number;
  readonly monitor: () => Beat['monitor'];
  readonly dispatch: {
    status(): {
      readonly slots: readonly BeatSlot[];
      readonly freeSlots: number;
      readonly oldestRunningMs: number;
      readonly alone: string | null;
      readonly pressure: Pressure | null;
      readonly endsKept: readonly BeatEnd[];
      readonly lastFailed: BeatFailure | null;
    };
    readonly counters: { readonly claims: number; readonly completed: number; readonly failed: number };
  };
  readonly intake: {
    status(): readonly {
      readonly name: string;
      readonly lastPollMonotonicMs: number | null;
      readonly problem: string | null;
      readonly waitingFiles: number;
      readonly reading: BeatReading | null;
      readonly look: {
        readonly atMonotonicMs: number;
        readonly unaccounted: number | null;
        readonly unknown: NonNullable<BeatLook['unknown']> | null;
      } | null;
    }[];
    readonly polls: number;
  };
  /** How far the wall clock is not trusted; null while it is. */
  readonly clockDistrust: () => BeatClock | null;
  /** Why the disk refuses the database's writes; null when it takes them. */
  readonly storage: () => string | null;
  /** Why the metrics cannot be told as configured; null when they can. */
  readonly metrics: () => string | null;
  readonly clockJumps: () => NonNullable<Beat['clockJumps']>;
  /** Another worker has taken the store: this one must stop. */
  readonly onFenced: (error: DoggedError) => void;
}

/** A command of ours holds the database for less than this. */
const WORTH_SAYING_MS = 250;
/** A beat is read every second: it holds no program's whole last words. */
const LONGEST_TEXT = 300;
const MOST_MACHINES = 100;

/** Composes beats. Each also asks for a commit and for a file read, whose answers the next beat counts. */
export interface WorkerReport {
  /** What the next beats say. */
  setState(state: WorkerState): void;
  readonly compose: (seq: number) => Promise<Beat>;
}

export function createWorkerReport(parts: ReportedParts): WorkerReport {
  const { config, store, clock, log, self, epoch } = parts;
  const probeFile = stateFiles(config.stateFolder).settings;
  const version = programVersion();
  const commits = createProbe(
    () => store.pulse(epoch, clock.wallMs(), parts.clockDistrust() === null),
    (error) => {
      if (error instanceof DoggedError && error.code === 'OWNER_CHANGED') parts.onFenced(error);
      else log.error({ err: error }, 'the database took no commit');
    },
  );
  const asyncFs = createProbe(
    () => readFile(probeFile),
    (error) => log.error({ err: error }, 'a file could not be read'),
  );

  let state: WorkerState = 'starting';
  let lastCounts: QueueCounts | null = null;

  return {
    setState(next) {
      state = next;
    },
    async compose(seq) {
      commits.ask();
      asyncFs.ask();
      const held = store.heldElsewhere();
      const distrust = parts.clockDistrust();
      const clockHolds = distrust?.state === 'suspect';
      // While somebody holds the database, a beat that waited for it would tell of a dead worker.
      const written =
        held !== null && lastCounts !== null
          ? lastCounts
          : await store.counts(clockHolds ? clock.wallMs() : undefined);
      lastCounts = written;
      const { slots, freeSlots, oldestRunningMs, alone, ...dispatch } = parts.dispatch.status();
      // Those of a worker that has stopped are lost: its jobs are found running.
      const endsKept = state === 'stopped' ? [] : dispatch.endsKept;
      const counts = withoutKeptEnds(written, endsKept);
      const storage = parts.storage();
      const pressure = dispatch.pressure ?? (storage === null ? null : 'disk');
      const { waiting, runnable } = explainWaiting({
        lines: counts.tasks,
        pausedAll: counts.pausedAll,
        slots: config.slots,
        freeSlots,
        tasks: config.tasks,
        held: heldTasks(counts.outages),
        alone: alone !== null,
        pressure,
        clockHolds,
        ...(counts.outbox === undefined ? {} : { outbox: counts.outbox }),
      });
      const nowMonotonicMs = clock.monotonicMs();
      return composeBeat({
        version,
        identity: { bootId: self.bootId, pid: self.pid, startTicks: self.startTicks },
        nonce: self.nonce,
        epoch,
        seq,
        state,
        nowWallMs: clock.wallMs(),
        nowMonotonicMs,
        counters: {
          loop: parts.loopTurns(),
          polls: parts.intake.polls,
          commits: commits.answered(),
          asyncFs: asyncFs.answered(),
          claims: parts.dispatch.counters.claims,
          completed: parts.dispatch.counters.completed,
          failed: parts.dispatch.counters.failed,
        },
        places: counts.total,
        outbox: counts.outbox?.waiting ?? 0,
        oldestDueAtMs: counts.oldestDueAtMs,
        runnable,
        freeSlots,
        oldestRunningMs,
        monitor: parts.monitor(),
        slots,
        sources: parts.intake.status().map((source) => ({
          name: source.name,
          ...sourceTotals(counts, source.name),
          lastPollMs:
            source.lastPollMonotonicMs === null
              ? null
              : Math.round(nowMonotonicMs - source.lastPollMonotonicMs),
          problem: source.problem,
          waitingFiles: source.waitingFiles,
          ...(source.reading === null ? {} : { reading: source.reading }),
          ...lookOf(source.look, nowMonotonicMs),
        })),
        waiting,
        outages: counts.outages.map(outageOf),
        lastFailed: cutShort(dispatch.lastFailed),
        pressure,
        held: held !== null && held.forMs >= WORTH_SAYING_MS ? held : null,
        storage,
        metrics: parts.metrics(),
        redis: counts.outbox?.problem?.slice(0, LONGEST_TEXT) ?? null,
        machines: (counts.outbox?.machines ?? []).slice(0, MOST_MACHINES).map(shortened),
        endsKept,
        clock: distrust,
        clockJumps: parts.clockJumps(),
        lag: parts.lag.percentiles(),
        rssBytes: process.memoryUsage.rss(),
      });
    },
  };
}

function sourceTotals(counts: QueueCounts, name: string): { records: number; rejected: number } {
  const source = counts.sources.find((candidate) => candidate.name === name);
  return { records: source?.records ?? 0, rejected: source?.rejected ?? 0 };
}

function outageOf({ id, dependency, sinceMs, cause }: Outage): BeatOutage {
  return { id, dependency, since: isoTime(sinceMs) ?? '', cause: cause.slice(0, LONGEST_TEXT) };
}

/** Whatever stands in Redis as its name. */
function shortened({ site, seenMsAgo }: BeatMachine): BeatMachine {
  return { site: site.slice(0, LONGEST_TEXT), seenMsAgo };
}

function cutShort(failure: BeatFailure | null): BeatFailure | null {
  if (failure === null) return null;
  const { key, reason } = failure;
  return { ...failure, key: key.slice(0, LONGEST_TEXT), reason: reason.slice(0, LONGEST_TEXT) };
}

type SourceLook = ReturnType<ReportedParts['intake']['status']>[number]['look'];

function lookOf(look: SourceLook, nowMonotonicMs: number): { readonly look?: BeatLook } {
  if (look === null) return {};
  const { atMonotonicMs, unaccounted, unknown } = look;
  const agoMs = Math.round(nowMonotonicMs - atMonotonicMs);
  return { look: { agoMs, unaccounted, ...(unknown === null ? {} : { unknown }) } };
}

/**
 * Asks for something that may hang, and counts the answers. One question at a time: while it is open, the count stands
 * still and the beat goes on, so that the monitor can name what hangs.
 */
function createProbe(question: () => Promise<unknown>, onError: (error: unknown) => void) {
  let answered = 0;
  let open = false;
  return {
    answered: () => answered,
    ask() {
      if (open) return;
      open = true;
      question()
        .then(() => {
          answered += 1;
        }, onError)
        .finally(() => {
          open = false;
        });
    },
  };
}
