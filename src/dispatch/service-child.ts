import type { TaskConfig } from '../config/config.js';
import type { JobId } from '../job/job.js';
import type { AttemptReport, RunOutcome } from '../job/outcome.js';
import { breadcrumb } from '../platform/breadcrumb.js';
import { failpoint } from '../platform/failpoint.js';
import type { Claim } from '../store/contract.js';
import {
  atDeadline,
  type Interruption,
  interruptedOutcome,
  type RunContext,
  type RunningAttempt,
  timeoutOf,
} from './attempt.js';
import { taskEnvironment } from './child-environment.js';
import { outcomeOfServiceExit } from './exit-outcome.js';
import { type JobInHand, outputsOf, reportOf } from './job-in-hand.js';
import { LineReader } from './line-reader.js';
import type { ChildExit, OwnedChild } from './owned-child.js';
import { readServiceLine, requestLine, type ServiceMessage } from './service-protocol.js';

type ServiceAnswer = Extract<ServiceMessage, { kind: 'answer' }>;

/** The longest line that a service may write: an answer with its result. */
const MAX_LINE_BYTES = 1_048_576;
/** More than any child holds at once. */
const MOST_ANSWERED = 1_024;

/** What its pool hears of a child. */
interface PoolEvents {
  /** It can take another job. */
  readonly onRoom: () => void;
  /** It died with this job and others in hand (`isSuspect`), or the job is done with. */
  readonly onBlame: (id: JobId, isSuspect: boolean) => void;
}

/** One long-lived child of a service or module task. */
export class ServiceChild {
  readonly #task: TaskConfig;
  readonly #context: RunContext;
  readonly #events: PoolEvents;
  readonly #child: OwnedChild;
  readonly #label: string;
  /** In the order in which they were given. */
  readonly #inHand = new Map<JobId, JobInHand>();
  #isTakenAlone = false;
  #usable = true;
  /** Why it had to go, when that was for what it said. */
  #verdict: string | null = null;
  /** The last answered ones: enough to tell a second answer from one for a job that was never given. */
  readonly #answered = new Set<JobId>();
  /** Resolves when nothing is left of it. */
  readonly ended: Promise<void>;

  constructor(task: TaskConfig, argv: readonly string[], context: RunContext, events: PoolEvents) {
    this.#task = task;
    this.#context = context;
    this.#events = events;
    this.#label = `service of task ${task.name}`;
    breadcrumb('run.spawn', task.name);
    failpoint('run.before-spawn');
    this.#child = context.children.spawn({
      argv,
      shell: false,
      env: taskEnvironment(task, context.stateFolder),
      label: this.#label,
    });
    failpoint('run.after-spawn');
    const lines = new LineReader(
      MAX_LINE_BYTES,
      (line) => this.#readLine(line),
      () => this.#giveUpOn(`wrote a line of more than ${MAX_LINE_BYTES} bytes`),
    );
    this.#child.stdout.on('data', (chunk: Buffer) => lines.push(chunk));
    this.#child.stderr.on('data', (chunk: Buffer) => this.#oldest()?.stderr.push(chunk));
    this.ended = this.#watch();
  }

  get load(): number {
    return this.#inHand.size;
  }

  /** May be given a job, where one child holds at most `depth`. */
  hasRoom(depth: number): boolean {
    return this.#usable && !this.#isTakenAlone && this.#inHand.size < depth;
  }

  /** `isAlone`: it is given no other until it has answered. */
  run(claim: Claim, isAlone: boolean): RunningAttempt {
    const timeoutMs = timeoutOf(claim, this.#task);
    const { clock } = this.#context;
    this.#isTakenAlone = isAlone;
    let job: JobInHand | null = null;
    const interrupt = (reason: Interruption, urgent: boolean) => {
      // An answer that came first stands.
      if (job === null || this.#inHand.get(claim.id) !== job) return;
      job.interruption ??= reason;
      this.#usable = false;
      this.#child.terminate(urgent ? 0 : this.#task.killGraceMs);
    };
    const report = new Promise<AttemptReport>((resolve) => {
      job = {
        claim,
        startedAtMs: clock.wallMs(),
        timeoutMs,
        ...outputsOf(this.#task.outputBytes),
        cancelTimeout: atDeadline(clock, timeoutMs, () => interrupt('timed-out', false)),
        resolve,
        interruption: null,
        progress: null,
      };
      this.#inHand.set(claim.id, job);
    });
    this.#request(claim);
    return { report, interrupt, progress: () => job?.progress ?? null };
  }

  /** The requests of one turn go out together: one write and one wake-up of the child for all of them. */
  #request(claim: Claim): void {
    const { stdin } = this.#child;
    if (stdin.writableCorked === 0) {
      stdin.cork();
      process.nextTick(() => stdin.uncork());
    }
    stdin.write(requestLine(claim));
  }

  /** Tells it that nothing more comes, and ends it if it does not end by itself. */
  async close(graceMs: number): Promise<void> {
    this.#usable = false;
    this.#child.stdin.end();
    if (graceMs <= 0) this.#child.terminate(0);
    const cancel = this.#context.clock.after(graceMs, () => this.#child.terminate(this.#task.killGraceMs));
    await this.ended;
    cancel();
  }

  #readLine(line: Buffer): void {
    const message = readServiceLine(line);
    switch (message.kind) {
      case 'text':
        this.#keepText(line);
        return;
      case 'progress': {
        const job = this.#inHand.get(message.id);
        if (job !== undefined) job.progress = message.share;
        return;
      }
      case 'nonsense':
        this.#giveUpOn(`wrote JSON that is no answer: ${line.toString('utf8', 0, 120)}`);
        return;
      case 'answer':
        this.#readAnswer(message);
        return;
      default:
        message satisfies never;
    }
  }

  #readAnswer({ id, attempt, outcome }: ServiceAnswer): void {
    const job = this.#inHand.get(id);
    if (job !== undefined && (attempt ?? job.claim.attempt) === job.claim.attempt) {
      if (job.interruption === null) this.#answer(job, outcome);
    } else if (this.#answered.has(id)) {
      this.#retire(`answered twice for job ${id}`);
    } else {
      this.#giveUpOn(`answered for job ${id}, which it does not have in hand`);
    }
  }

  #answer(job: JobInHand, outcome: RunOutcome): void {
    const { id } = job.claim;
    this.#answered.add(id);
    if (this.#answered.size > MOST_ANSWERED)
      this.#answered.delete(this.#answered.values().next().value ?? id);
    this.#end(job, outcome, null, false);
    if (!this.#usable) {
      if (this.#inHand.size === 0) this.#child.terminate(0);
      return;
    }
    this.#events.onRoom();
  }

  /**
   * What its libraries print stands with the job that it has had in hand for longest, up to the cap of its output; more is a
   * flood. With several in hand nobody can tell whose it is.
   */
  #keepText(line: Buffer): void {
    const job = this.#oldest();
    if (job === undefined) return;
    job.stdout.push(Buffer.concat([line, Buffer.from('\n')]));
    if (job.stdout.totalBytes > this.#task.outputBytes) {
      this.#giveUpOn(`wrote more than ${this.#task.outputBytes} bytes that are no answer to its stdout`);
    }
  }

  #oldest(): JobInHand | undefined {
    return this.#inHand.values().next().value;
  }

  /** It did wrong with an earlier job: it takes no other, but those that it has in hand are innocent. */
  #retire(problem: string): void {
    this.#context.log.warn({ task: this.#task.name }, `${this.#label} ${problem}; it is replaced`);
    this.#usable = false;
    if (this.#inHand.size === 0) this.#child.terminate(0);
  }

  /** What it says can no longer be trusted: it goes, and costs the job that it has in hand an attempt. */
  #giveUpOn(problem: string): void {
    if (this.#usable)
      this.#context.log.warn({ task: this.#task.name }, `${this.#label} ${problem}; it is replaced`);
    this.#usable = false;
    this.#verdict ??= `the service ${problem}`;
    this.#child.terminate(0);
  }

  async #watch(): Promise<void> {
    const exit = await this.#child.exited;
    this.#usable = false;
    await this.#child.gone(true);
    const jobs = [...this.#inHand.values()];
    const culprit = jobs.find(({ interruption }) => interruption !== null);
    const failure =
      this.#verdict === null
        ? outcomeOfServiceExit(exit, this.#oldest()?.stderr ?? outputsOf(0).stderr)
        : { kind: 'failed' as const, reason: this.#verdict };
    for (const job of jobs) {
      if (job.interruption !== null) {
        this.#end(job, interruptedOutcome(job.interruption, job.timeoutMs), exit, false);
      } else if (culprit !== undefined) {
        const reason = `given back: its service was ended for job ${culprit.claim.id}`;
        this.#end(job, { kind: 'released', reason }, exit, false);
      } else if (jobs.length > 1 && failure.kind !== 'unavailable') {
        const reason = `given back, to run alone: ${failure.reason}, with ${jobs.length} jobs in hand`;
        this.#end(job, { kind: 'released', reason }, exit, true);
      } else this.#end(job, failure, exit, false);
    }
  }

  #end(job: JobInHand, outcome: RunOutcome, exit: ChildExit | null, isSuspect: boolean): void {
    this.#inHand.delete(job.claim.id);
    this.#isTakenAlone = false;
    this.#events.onBlame(job.claim.id, isSuspect);
    job.cancelTimeout();
    failpoint('run.after-exit');
    job.resolve(reportOf(job, this.#capResult(job, outcome), exit, this.#context.clock.wallMs()));
  }

  #capResult(job: JobInHand, outcome: RunOutcome): RunOutcome {
    if (outcome.kind !== 'done' || outcome.result === null) return outcome;
    if (Buffer.byteLength(outcome.result) <= this.#task.outputBytes) return outcome;
    this.#context.log.warn(
      { job: job.claim.id, task: this.#task.name },
      `The result of job ${job.claim.id} is longer than ${this.#task.outputBytes} bytes and was not kept`,
    );
    return { kind: 'done', result: null };
  }
}
