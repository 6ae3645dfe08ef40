import type { Config } from '../config/config.js';
import { durationText } from '../platform/duration-text.js';
import type { Log } from '../platform/log.js';
import type { Claim } from '../store/contract.js';

/** What a job's source says of its time: known by the name of the source, since it may change from worker to worker. */
export class Windows {
  /** Sources whose jobs have a time of their own, and whether they are stopped at the end of it. */
  readonly #stopsAtEnd: ReadonlyMap<string, boolean>;

  constructor({ sources }: Config) {
    this.#stopsAtEnd = new Map(
      sources.flatMap((source) => {
        if (source.kind === 'schedule') return [[source.name, source.stopAtEnd]];
        return source.kind === 'every' ? [[source.name, false]] : [];
      }),
    );
  }

  /** Wall time at which it is to be stopped; null when it may run on. */
  stopAtMs({ source, expiresAtMs }: Claim): number | null {
    return this.#stopsAtEnd.get(source ?? '') === true ? expiresAtMs : null;
  }

  /** Says how late a job with a time of its own begins. */
  announceStart(log: Log, { id, source, task, key, attempt, lateByMs, runAtMs }: Claim): void {
    if (!this.#stopsAtEnd.has(source ?? '')) return;
    const plannedAt = new Date(runAtMs).toISOString();
    const facts = { job: id, source, task, key, attempt, lateByMs, plannedAt };
    if (lateByMs < LATE_MS) log.info(facts, `Starting ${id} (${key}), planned for ${plannedAt}`);
    else
      log.warn(
        facts,
        `Starting ${id} (${key}) ${durationText(lateByMs)} late: it was planned for ${plannedAt}`,
      );
  }
}

/** A start within a second of its time is on time. */
const LATE_MS = 1_000;
