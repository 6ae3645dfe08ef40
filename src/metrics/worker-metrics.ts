import type { Config, MetricsConfig } from '../config/config.js';
import type { BeatEnd } from '../heartbeat/beat.js';
import type { LagMeter } from '../heartbeat/lag-meter.js';
import type { Clock } from '../platform/clock.js';
import type { Log } from '../platform/log.js';
import type { Pressure } from '../policy/pressure.js';
import type { UpkeepStore } from '../store/contract.js';
import type { QueueCounts, ReadStore } from '../store/read-contract.js';
import { createCollector } from './collect.js';
import type { MetricsOutlet } from './endpoint.js';
import type { Labels } from './family.js';
import { type FiguresLine, serveFigures } from './figures-line.js';
import { renderMetrics } from './render.js';
import type { WorkerCounts } from './worker-counts.js';
import type { WorkerFigures } from './worker-figures.js';

export interface WorkerMetricsParts {
  readonly config: Config;
  /** Where they are told beside `dogged metrics`. */
  readonly outlets: MetricsConfig;
  readonly counts: WorkerCounts;
  readonly store: Pick<ReadStore, 'counts'> & Pick<UpkeepStore, 'heldElsewhere'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly nonce: string;
  readonly lag: Pick<LagMeter, 'percentiles'>;
  readonly dispatch: {
    status(): {
      readonly freeSlots: number;
      readonly pressure: Pressure | null;
      readonly endsKept: readonly BeatEnd[];
    };
  };
  /** Why the disk refuses the database's writes; null when it takes them. */
  readonly storage: () => string | null;
  /** How often Redis has ceased to take jobs; null where they run through none. */
  readonly redisAbsences: () => number | null;
  /** Called when `problem` tells something else than before. */
  readonly onChange: () => void;
}

export interface WorkerMetrics {
  start(): void;
  stop(): Promise<void>;
  /** Why they cannot be told where the config wants them; null when they can. */
  problem(): string | null;
}

/** However many ask, so often they are read at most. */
const AT_MOST_EVERY_MS = 1_000;

/** Tells the worker's figures to whoever asks over its line, and where the config wants them: an address, a file. */
export async function createWorkerMetrics(parts: WorkerMetricsParts): Promise<WorkerMetrics> {
  const {
    config,
    outlets,
    counts,
    store,
    clock,
    log,
    nonce,
    lag,
    dispatch,
    storage,
    redisAbsences,
    onChange,
  } = parts;
  const startedAtMs = clock.wallMs();
  const figures = (): WorkerFigures => {
    const { user, system } = process.cpuUsage();
    const { freeSlots, pressure, endsKept } = dispatch.status();
    return {
      schema: 1,
      startedAtMs,
      ...counts.read(),
      slots: config.slots,
      freeSlots,
      endsKept,
      pressure,
      storageRefuses: storage() !== null,
      redisAbsences: redisAbsences(),
      databaseHeld: store.heldElsewhere() !== null,
      rssBytes: process.memoryUsage.rss(),
      cpuSeconds: (user + system) / 1e6,
      lag: lag.percentiles(),
    };
  };

  const collect = createCollector(config.stateFolder);
  const write = async (everywhere: Labels) =>
    renderMetrics(
      collect({ counts: await readCounts(store, log), figures: figures(), nowMs: clock.wallMs() }),
      everywhere,
    );
  const opened: MetricsOutlet[] = [];
  if (outlets.listen !== null) {
    // A server costs memory, and most have none.
    const { createEndpoint } = await import('./endpoint.js');
    const text = kept(() => write({}), clock);
    opened.push(createEndpoint({ listen: outlets.listen, text, clock, log, onChange }));
  }
  if (outlets.textfile !== null) {
    const { createTextfile } = await import('./textfile.js');
    // Two on one machine end up in one node_exporter, where nothing else tells them apart.
    const text = () => write({ config: config.file });
    const { file: configFile, heartbeat } = config;
    opened.push(
      createTextfile({
        path: outlets.textfile,
        configFile,
        everyMs: heartbeat.everyMs,
        text,
        clock,
        log,
        onChange,
      }),
    );
  }
  let line: FiguresLine | null = null;

  return {
    start() {
      line = serveFigures(nonce, figures, clock, (error) =>
        log.warn({ err: error }, 'dogged metrics cannot ask this worker for its counters'),
      );
      for (const outlet of opened) outlet.start();
    },
    async stop() {
      line?.close();
      await Promise.all(opened.map((outlet) => outlet.stop()));
    },
    problem() {
      const problems = opened.flatMap((outlet) => outlet.problem() ?? []);
      return problems.length === 0 ? null : problems.join('; ');
    },
  };
}

/** null while the database cannot be asked without waiting; that it cannot is a metric itself. */
async function readCounts(store: WorkerMetricsParts['store'], log: Log): Promise<QueueCounts | null> {
  if (store.heldElsewhere() !== null) return null;
  try {
    return await store.counts();
  } catch (error) {
    log.debug({ err: error }, 'metrics: the database could not be read');
    return null;
  }
}

/** The same answer for all who ask within a second. */
function kept(write: () => Promise<string>, clock: Clock): () => Promise<string> {
  let last: { readonly atMs: number; readonly text: Promise<string> } | null = null;
  return () => {
    const nowMs = clock.monotonicMs();
    if (last === null || nowMs - last.atMs >= AT_MOST_EVERY_MS) last = { atMs: nowMs, text: write() };
    return last.text;
  };
}
