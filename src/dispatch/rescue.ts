import { DoggedError } from '../job/errors.js';
import type { AttemptReport } from '../job/outcome.js';
import { type Clock, pause } from '../platform/clock.js';
import type { Log } from '../platform/log.js';
import type { Orphan, UpkeepStore } from '../store/contract.js';
import { bareReport } from './attempt.js';
import type { ChildMark } from './child-environment.js';
import { announceEnd, type EndedAttempt } from './record.js';
import { type Survivor, sweep } from './sweep.js';

export interface RescueOptions {
  readonly store: Pick<UpkeepStore, 'orphans' | 'rescue'>;
  readonly mark: ChildMark;
  readonly clock: Clock;
  readonly log: Log;
  readonly decide: (orphan: Orphan, report: AttemptReport) => EndedAttempt;
}

export interface RescueReport {
  readonly recovered: number;
  /** Jobs whose old attempt is not proved gone: they stay running, and keep their slot and their group's permit. */
  readonly stuck: readonly Orphan[];
}

const SWEEP_MS = 2_000;
const BUSY_RETRY_MS = 100;
const DIED = { kind: 'crashed', reason: 'its worker died while it ran' } as const;

/**
 * Takes up what a dead worker left: kills every process that carries this store's mark and another worker's nonce, then
 * ends the attempts whose processes are proved gone. Safe to repeat.
 */
export async function rescueOrphans(options: RescueOptions): Promise<RescueReport> {
  const { store, mark, clock, log } = options;
  const orphans = await store.orphans();
  const { killed, survivors } = await sweep(
    {
      isMarked: (found) => found.storeId === mark.storeId && found.nonce !== mark.nonce,
      startedSinceTicks: 0,
    },
    clock,
    SWEEP_MS,
  );
  if (killed > 0) log.warn({ killed }, `Killed ${killed} process(es) of a worker that is no more`);
  if (survivors.length > 0) {
    const pids = survivors.map(({ pid }) => pid);
    log.error(
      { pids },
      `Processes of a dead worker cannot be killed: ${pids.join(', ')}; their jobs stay running`,
    );
  }

  const stuck = orphans.filter((orphan) => survivors.some((survivor) => mayBelongTo(survivor, orphan)));
  const ends = orphans
    .filter((orphan) => !stuck.includes(orphan))
    .map((orphan) => options.decide(orphan, bareReport(DIED, orphan.startedAtMs, clock.wallMs())));
  const answers = ends.length === 0 ? [] : await recordPatiently(ends, options);
  for (const [index, end] of ends.entries()) announceEnd(log, end, answers[index] === 'recorded');
  return { recovered: answers.filter((answer) => answer === 'recorded').length, stuck };
}

/** A command may hold the lock for a moment; there is nothing else to do until it lets go. */
async function recordPatiently(ends: readonly EndedAttempt[], { store, clock, log }: RescueOptions) {
  for (let tries = 0; ; tries += 1) {
    try {
      return await store.rescue(ends, clock.wallMs());
    } catch (error) {
      if (!(error instanceof DoggedError) || error.code !== 'STORE_BUSY') throw error;
      if (tries % 50 === 0)
        log.warn({ err: error }, 'The database is locked: the jobs of a dead worker wait');
      await pause(clock, BUSY_RETRY_MS);
    }
  }
}

/** A process that hides whose it is may belong to any of them. */
function mayBelongTo({ mark }: Survivor, { claim }: Orphan): boolean {
  if (mark === null) return true;
  if (mark.job !== null) return mark.job === claim.id;
  return mark.task === null || mark.task === claim.task;
}
