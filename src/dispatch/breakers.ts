import type { BreakerConfig, TaskConfig } from '../config/config.js';
import type { JobId } from '../job/job.js';
import type { Log } from '../platform/log.js';
import { type Breaker, CLOSED, cooldownLeftMs, nextBreaker, type Sign, signOf } from '../policy/breaker.js';
import type { BreakerMove, StoredBreaker } from '../store/breaker-contract.js';
import type { Claim } from '../store/contract.js';
import type { ProbeResult } from './probes.js';
import type { EndedAttempt } from './record.js';

/** The one attempt that decides for a half-open breaker. */
type Trial = { readonly job: JobId; readonly attempt: number } | 'probe';

interface Watched {
  readonly breaker: Breaker;
  /** By the wall clock: the first failure in a row. */
  readonly sinceMs: number | null;
  /** By the monotonic clock: setting the wall clock neither lengthens a cool-down nor cuts it short. */
  readonly retryAtMonotonicMs: number;
  readonly trial: Trial | null;
}

const AT_REST: Watched = { breaker: CLOSED, sinceMs: null, retryAtMonotonicMs: 0, trial: null };

export interface Moment {
  readonly nowMs: number;
  readonly nowMonotonicMs: number;
}

/** What ends and probes mean for the breakers, before anything of it is stored. */
export interface Judgement {
  /** The ends as they are to be recorded. */
  readonly ends: readonly EndedAttempt[];
  readonly moves: readonly BreakerMove[];
  /** How each breaker then stands; one that is not here is at rest. */
  readonly standing: ReadonlyMap<string, Watched>;
}

/** `any` job may run, `none`, or `one`: the trial of a half-open breaker. */
export type Admittance = 'any' | 'one' | 'none';

/**
 * The breakers as they are stored. A turn judges its ends, stores the moves with them, and only then are they so: a turn
 * that the store refuses has moved nothing.
 */
export class Breakers {
  readonly #byTask: ReadonlyMap<string, BreakerConfig>;
  readonly #byName: ReadonlyMap<string, BreakerConfig>;
  /** Only those that are not at rest: mostly empty. */
  #standing: ReadonlyMap<string, Watched>;
  /** Ends outages of what no task depends on any more; goes with the first turn. */
  #leftovers: readonly BreakerMove[];

  constructor(tasks: readonly TaskConfig[], stored: readonly StoredBreaker[], moment: Moment) {
    this.#byTask = new Map(tasks.map((task) => [task.name, task.breaker]));
    this.#byName = new Map(tasks.map(({ breaker }) => [breaker.dependency, breaker]));
    const standing = new Map<string, Watched>();
    const leftovers: BreakerMove[] = [];
    for (const breaker of stored) {
      const config = this.#byName.get(breaker.dependency);
      if (config !== undefined) standing.set(breaker.dependency, takeUp(breaker, config, moment));
      else if (breaker.retryAtMs !== null) leftovers.push(abandoned(breaker.dependency));
    }
    this.#standing = standing;
    this.#leftovers = leftovers;
  }

  /** What is away now, as it is stored. */
  away(): readonly string[] {
    return [...this.#standing].flatMap(([dependency, { breaker }]) =>
      breaker.state === 'closed' ? [] : [dependency],
    );
  }

  judge(ends: readonly EndedAttempt[], probed: readonly ProbeResult[], moment: Moment): Judgement {
    const standing = new Map(this.#standing);
    for (const [dependency, watched] of standing) {
      const isOver = watched.breaker.state === 'open' && watched.retryAtMonotonicMs <= moment.nowMonotonicMs;
      if (isOver)
        standing.set(dependency, { ...watched, breaker: nextBreaker(watched.breaker, 'cooled-down', 0) });
    }
    const moves = [...this.#leftovers];
    for (const { dependency, isWell, text } of probed) {
      if (standing.get(dependency)?.trial !== 'probe') continue;
      const said = { sign: isWell ? 'works' : 'away', text: `probe ${text}`, atMs: moment.nowMs } as const;
      this.#apply(standing, moves, dependency, said, moment);
    }
    return { ends: ends.map((end) => this.#judgeEnd(standing, moves, end, moment)), moves, standing };
  }

  /** What a judgement lets a task do. */
  admits(task: string, { standing }: Judgement): Admittance {
    const config = this.#byTask.get(task);
    const watched = config === undefined ? undefined : standing.get(config.dependency);
    if (watched === undefined || watched.breaker.state === 'closed') return 'any';
    const isTrying =
      watched.breaker.state === 'half-open' && watched.trial === null && config?.probe === null;
    return isTrying ? 'one' : 'none';
  }

  /** The turn is stored: what was judged is so, and what it claimed for a half-open breaker is its trial. */
  commit({ standing }: Judgement, claims: readonly Claim[]): void {
    this.#leftovers = [];
    this.#standing = standing;
    for (const { id, task, attempt } of claims) this.#beginTrial(task, { job: id, attempt });
  }

  /** Half-open breakers whose probe is to be run now. Each is named once for each time that it becomes half-open. */
  takeProbes(): readonly BreakerConfig[] {
    const due: BreakerConfig[] = [];
    for (const [dependency, { breaker, trial }] of this.#standing) {
      const config = this.#byName.get(dependency);
      if (breaker.state !== 'half-open' || trial !== null || !config?.probe) continue;
      due.push(config);
      this.#put(dependency, { trial: 'probe' });
    }
    return due;
  }

  /** When the next cool-down ends that had not ended at `judgedMonotonicMs`; null for none. */
  nextTryMs(judgedMonotonicMs: number): number | null {
    let nextMs: number | null = null;
    for (const { breaker, retryAtMonotonicMs } of this.#standing.values()) {
      if (breaker.state !== 'open' || retryAtMonotonicMs <= judgedMonotonicMs) continue;
      nextMs = Math.min(retryAtMonotonicMs, nextMs ?? retryAtMonotonicMs);
    }
    return nextMs;
  }

  #judgeEnd(
    standing: Map<string, Watched>,
    moves: BreakerMove[],
    end: EndedAttempt,
    moment: Moment,
  ): EndedAttempt {
    const config = this.#byTask.get(end.claim.task);
    if (config === undefined) return end;
    const { dependency } = config;
    const { claim, report, next } = end;
    const before = standing.get(dependency) ?? AT_REST;
    const isClosed = before.breaker.state === 'closed';
    const sign = signOf(report.outcome.kind);
    const mayHaveDiedOfIt = sign === 'fails' || report.outcome.kind === 'deferred';
    if (!isClosed && mayHaveDiedOfIt && next.to === 'failed') {
      moves.push({ dependency, to: 'cost', job: claim.id, attempt: claim.attempt });
    }
    if (isClosed || isTrialOf(before, claim)) {
      const reason = report.outcome.kind === 'done' ? 'completed' : report.outcome.reason;
      const text = isClosed ? reason : `job ${claim.id}${sign === 'works' ? ' ' : ': '}${reason}`;
      this.#apply(standing, moves, dependency, { sign, text, atMs: report.endedAtMs }, moment);
    }
    const after = standing.get(dependency);
    if (sign !== 'away' || next.to !== 'pending' || after?.breaker.state !== 'open') return end;
    // The breaker keeps it long enough: when it is half-open, no job must still be backing off.
    const retryAtMs = moment.nowMs + after.retryAtMonotonicMs - moment.nowMonotonicMs;
    return { ...end, next: { ...next, runAtMs: Math.min(next.runAtMs, Math.round(retryAtMs)) } };
  }

  #apply(
    standing: Map<string, Watched>,
    moves: BreakerMove[],
    dependency: string,
    { sign, text, atMs }: { readonly sign: Sign; readonly text: string; readonly atMs: number },
    { nowMs, nowMonotonicMs }: Moment,
  ): void {
    const config = this.#byName.get(dependency);
    if (config === undefined) return;
    const before = standing.get(dependency) ?? AT_REST;
    const breaker = nextBreaker(before.breaker, sign, config.after);
    const retryAtMs = nowMs + config.cooldownMs;
    const retryAtMonotonicMs = nowMonotonicMs + config.cooldownMs;
    switch (breaker.state) {
      case 'open':
        if (before.breaker.state === 'closed') {
          const sinceMs = before.sinceMs ?? atMs;
          moves.push({ dependency, to: 'opened', sinceMs, retryAtMs, cause: text });
          standing.set(dependency, { breaker, sinceMs, retryAtMonotonicMs, trial: null });
        } else {
          moves.push({ dependency, to: 'reopened', retryAtMs, failure: text });
          standing.set(dependency, { ...before, breaker, retryAtMonotonicMs, trial: null });
        }
        return;
      case 'half-open':
        standing.set(dependency, { ...before, trial: null });
        return;
      case 'closed': {
        if (before.breaker.state !== 'closed') {
          const triedJobs = before.trial === 'probe' ? 0 : 1;
          moves.push({ dependency, to: 'closed', evidence: text, triedJobs });
          standing.delete(dependency);
          return;
        }
        if (breaker === before.breaker) return;
        const sinceMs = breaker.failures === 0 ? null : (before.sinceMs ?? atMs);
        moves.push({ dependency, to: 'counted', failures: breaker.failures, sinceMs });
        if (breaker.failures === 0) standing.delete(dependency);
        else standing.set(dependency, { ...AT_REST, breaker, sinceMs });
        return;
      }
      default:
        breaker satisfies never;
    }
  }

  #beginTrial(task: string, trial: Trial): void {
    const config = this.#byTask.get(task);
    const watched = config === undefined ? undefined : this.#standing.get(config.dependency);
    if (config !== undefined && watched?.breaker.state === 'half-open')
      this.#put(config.dependency, { trial });
  }

  #put(dependency: string, change: Partial<Watched>): void {
    const watched = this.#standing.get(dependency) ?? AT_REST;
    this.#standing = new Map(this.#standing).set(dependency, { ...watched, ...change });
  }
}

function isTrialOf({ trial }: Watched, { id, attempt }: Pick<Claim, 'id' | 'attempt'>): boolean {
  return trial !== null && trial !== 'probe' && trial.job === id && trial.attempt === attempt;
}

function takeUp(
  { failures, sinceMs, retryAtMs }: StoredBreaker,
  { cooldownMs }: BreakerConfig,
  { nowMs, nowMonotonicMs }: Moment,
): Watched {
  if (retryAtMs === null)
    return { ...AT_REST, breaker: failures === 0 ? CLOSED : { state: 'closed', failures }, sinceMs };
  const retryAtMonotonicMs = nowMonotonicMs + cooldownLeftMs(retryAtMs, nowMs, cooldownMs);
  return { breaker: { state: 'open' }, sinceMs, retryAtMonotonicMs, trial: null };
}

function abandoned(dependency: string): BreakerMove {
  return { dependency, to: 'closed', evidence: 'the config names it no longer', triedJobs: 0 };
}

/** Says what became of breakers, once it is stored. */
export function announceMoves(log: Log, moves: readonly BreakerMove[]): void {
  for (const move of moves) {
    const { dependency } = move;
    if (move.to === 'opened') {
      log.warn({ dependency, cause: move.cause }, `⚡ ${dependency} is away, its jobs wait: ${move.cause}`);
    } else if (move.to === 'reopened') {
      log.debug({ dependency, failure: move.failure }, `${dependency} is still away: ${move.failure}`);
    } else if (move.to === 'closed') {
      log.info(
        { dependency, evidence: move.evidence },
        `The outage of ${dependency} is over: ${move.evidence}`,
      );
    }
  }
}
