import { DoggedError, EXIT } from '../job/errors.js';
import { type Clock, pause } from '../platform/clock.js';
import { countText, plural } from '../platform/duration-text.js';
import { failpoint } from '../platform/failpoint.js';
import type { MoveDesk, MoveLook } from '../store/move.js';
import { hindranceOf, isLockedOut, type Move } from '../store/move-contract.js';
import { escapeText } from '../view/escape.js';
import { phaseText } from '../view/move-text.js';
import { lookAtProcesses } from '../view/worker-look.js';
import type { Output } from './command.js';
import { MIGRATION_STEPS, type MigrationStep } from './migration-steps.js';
import { doneLines, openJobsText, stoppedText } from './migration-text.js';
import { onChange } from './on-change.js';
import { progressLine } from './progress-line.js';

const LOOK_EVERY_MS = 200;
/** Both sides are looked at so often before it is said that they differ: what differed is mirrored again in between. */
const LOOKS = 5;
/** The mirror has caught up when no more changes are behind than go with one batch. */
const ONE_BATCH = 500;
/** What stands in the row when this command begins may be of a worker that is no more; the next looks within a moment. */
const OLD_FOR_MS = 1_000;
/** A worker that lacks the password does not get it by waiting. */
const LOCKED_OUT_WITHIN_MS = 5_000;

export interface MigrationOptions {
  readonly desk: MoveDesk;
  readonly stateFolder: string;
  readonly clock: Clock;
  readonly output: Output;
  readonly until: MigrationStep;
  readonly timeoutMs: number | null;
}

interface Progress {
  readonly done: number;
  readonly total: number;
  readonly text: string;
}

/** Asks the worker for one step after the other, and watches. Broken off, the next one begins from what the row says. */
export class Migration {
  readonly #options: MigrationOptions;
  readonly #startedAtMs: number;
  #lockedOutAtMs: number | null = null;

  constructor(options: MigrationOptions) {
    this.#options = options;
    this.#startedAtMs = options.clock.monotonicMs();
  }

  /** `isUnderWay`: the move was met there. Null: it has ended by now, and nothing is done. */
  async run(target: string, isUnderWay: boolean): Promise<number | null> {
    const { desk } = this.#options;
    let { move } = await desk.look();
    if (move === null) {
      if (isUnderWay) return null;
      if (target === 'sqlite') desk.remember();
      failpoint('migrate.step');
      await desk.begin(target);
      ({ move } = await desk.look());
    }
    if (move?.phase === 'dual' && (await this.#mirror(move))) return EXIT.ok;
    ({ move } = await desk.look());
    if (move?.phase === 'cutover' || move?.phase === 'moved') {
      await this.#cutOver(move);
      if (this.#endsWith('cutover', move)) return EXIT.ok;
      failpoint('migrate.step');
      await desk.ask('moved', 'ending');
      failpoint('migrate.step');
    }
    return this.#finish();
  }

  async rollBack(): Promise<number> {
    const { desk, output } = this.#options;
    await desk.refuseRollBack();
    for (;;) {
      const { move } = await desk.look();
      if (move === null || move.phase === 'return') break;
      if (move.phase === 'ending') {
        if (move.problem === null || move.mirror === null) break;
        await desk.abandon();
        output.note(`Keys of the mirror are left in Redis: they begin with dogged:mirror:${move.mirror}`);
        break;
      }
      if (await desk.ask(move.phase, move.phase === 'dual' ? 'ending' : 'return')) break;
    }
    return this.#finish();
  }

  /** True when it ends here. */
  async #mirror(move: Move): Promise<boolean> {
    const { desk } = this.#options;
    await this.#watch('dual', async ({ move: now }) =>
      now?.phase !== 'dual' || (now.behind <= ONE_BATCH && (await desk.isFollowed(now)))
        ? null
        : {
            done: 0,
            total: now.behind,
            text:
              now.behind <= ONE_BATCH
                ? 'dual: the worker begins the mirror'
                : `dual: ${plural(now.behind, 'change')} to be mirrored`,
          },
    );
    if (this.#endsWith('dual', move)) return true;
    failpoint('migrate.step');
    await desk.copy();
    failpoint('migrate.step');
    await this.#watch('copy', ({ move: now }) => copyProgress(now));
    if (this.#endsWith('copy', move)) return true;
    await this.#verify(move);
    if (this.#endsWith('verify', move)) return true;
    desk.remember();
    failpoint('migrate.step');
    await desk.ask('dual', 'cutover');
    failpoint('migrate.step');
    return false;
  }

  async #verify({ target, mirror }: Move): Promise<void> {
    const { desk, clock, output } = this.#options;
    if (mirror === null) throw new Error('a move to Redis has a mirror');
    for (let looks = 1; ; looks += 1) {
      const progress = progressLine(output, clock, (text) => output.print(text));
      const report = await desk.verify({ target, mirror }, (done, total) =>
        progress.show(done, total, `verify: ${countText(done)} jobs compared`),
      );
      progress.end();
      const { isEqual, jobs, divergent, waiting, inMotion, differences } = report;
      if (isEqual) {
        output.json({ step: 'verify', jobs, divergent: 0 });
        output.print(`verify: ${plural(jobs, 'job')} equal on both sides`);
        return;
      }
      const detail =
        waiting > 0
          ? `the mirror is ${plural(waiting, 'change')} behind`
          : divergent > 0
            ? `${plural(divergent, 'job differs', 'jobs differ')} (${differences.map(({ id, kind }) => `${id} ${kind}`).join(', ')})`
            : `${plural(inMotion, 'job')} changed too often to be compared`;
      if (looks === LOOKS) throw new DoggedError('MOVE_DIVERGED', { detail });
      output.note(`verify: ${detail}; it is mirrored again, and looked at once more`);
      await pause(clock, LOOK_EVERY_MS * 5);
    }
  }

  async #cutOver(move: Move): Promise<void> {
    const { desk, output } = this.#options;
    const isHome = move.target === 'sqlite';
    let most = 0;
    await this.#watch('cutover', ({ move: now, toSend, inRedis }) => {
      if (now?.phase !== 'cutover') return null;
      const left = isHome ? inRedis : toSend;
      most = Math.max(most, left);
      return {
        done: most - left,
        total: most,
        text: `cutover: ${phaseText(now)}, ${plural(left, 'job')} to go`,
      };
    });
    const { move: now } = await desk.look();
    if (now?.phase !== 'moved') return;
    const report = await desk.checkOpen(now);
    if (report.wrong.length > 0) {
      const ids = report.wrong.slice(0, 10).join(', ');
      throw new DoggedError('MOVE_UNEQUAL', { count: report.wrong.length, ids });
    }
    output.json({ step: 'cutover', store: now.target, ...report });
    output.print(`cutover: ${openJobsText(report)}`);
  }

  async #finish(): Promise<number> {
    const { desk, output } = this.#options;
    await this.#watch('finish', ({ move }) =>
      move === null || move.phase === 'dual' || move.phase === 'moved'
        ? null
        : { done: 0, total: 1, text: `finish: ${phaseText(move)}` },
    );
    const look = await desk.look();
    output.json({
      step: 'finish',
      done: look.move === null,
      store: look.current,
      chosenStore: look.chosen?.store ?? null,
    });
    for (const line of doneLines(look)) output.print(line);
    return EXIT.ok;
  }

  /** `before`: the move as this command has met it. */
  #endsWith(step: MigrationStep, before: Move): boolean {
    const { until, output } = this.#options;
    const isOver = MIGRATION_STEPS.indexOf(until) <= MIGRATION_STEPS.indexOf(step);
    if (isOver) {
      output.json({ step, done: true });
      output.print(stoppedText(step, before));
    }
    return isOver;
  }

  /** Until `progressOf` is null. What the worker waits for is said, once for each reason. */
  async #watch(
    step: MigrationStep,
    progressOf: (look: MoveLook) => Progress | null | Promise<Progress | null>,
  ): Promise<void> {
    const { desk, clock, output } = this.#options;
    const progress = progressLine(output, clock, (text) => output.print(text));
    const warn = onChange((text) => output.note(`${step}: ${escapeText(text)}`));
    try {
      for (;;) {
        const look = await desk.look();
        const now = await progressOf(look);
        if (now === null) return;
        progress.show(now.done, now.total, now.text);
        const hindrance = this.#hindrance(look.move);
        if (hindrance !== null) warn(hindrance);
        this.#refuseLockedOut(look.move, hindrance);
        this.#refuseToWaitLonger(step, look.move);
        await pause(clock, LOOK_EVERY_MS);
      }
    } finally {
      progress.end();
    }
  }

  #hindrance(move: Move | null): string | null {
    const { stateFolder, clock } = this.#options;
    const { verdict, monitor } = lookAtProcesses(stateFolder, clock.wallMs());
    if (verdict !== 'running')
      return monitor.pid === null
        ? 'no worker runs, so nothing moves; start it with: dogged start'
        : 'the worker has just died; its monitor starts it again, and it goes on from here';
    if (move === null || clock.monotonicMs() - this.#startedAtMs < OLD_FOR_MS) return null;
    return hindranceOf(move);
  }

  #refuseLockedOut(move: Move | null, hindrance: string | null): void {
    const nowMs = this.#options.clock.monotonicMs();
    if (move === null || hindrance === null || hindrance !== hindranceOf(move) || !isLockedOut(move)) {
      this.#lockedOutAtMs = null;
      return;
    }
    this.#lockedOutAtMs ??= nowMs;
    if (nowMs - this.#lockedOutAtMs >= LOCKED_OUT_WITHIN_MS)
      throw new DoggedError('MOVE_LOCKED_OUT', { detail: hindrance });
  }

  #refuseToWaitLonger(step: MigrationStep, move: Move | null): void {
    const { clock, timeoutMs } = this.#options;
    const waitedMs = clock.monotonicMs() - this.#startedAtMs;
    if (timeoutMs === null || waitedMs < timeoutMs) return;
    const why = move && hindranceOf(move);
    const detail = why === null ? '' : `${why}.`;
    throw new DoggedError('TIMED_OUT', { what: `The step ${step}`, waitedMs: timeoutMs, detail });
  }
}

function copyProgress(move: Move | null): Progress | null {
  if (move?.phase !== 'dual') return null;
  const { copiedTo, copyUntil, behind } = move;
  const total = copyUntil ?? 0;
  if (copyUntil !== null && copiedTo >= copyUntil && behind <= ONE_BATCH) return null;
  const done = Math.max(0, copiedTo - behind);
  return { done, total, text: `copy: ${countText(done)} of ${plural(total, 'job')} mirrored` };
}
