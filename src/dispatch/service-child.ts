import type { TaskConfig } from '../config/config.js';
import type { AttemptReport, RunOutcome } from '../job/outcome.js';
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
import { LineReader } from './line-reader.js';
import { CappedOutput } from './output.js';
import type { ChildExit, OwnedChild } from './owned-child.js';
import { readServiceLine, requestLine, type ServiceMessage } from './service-protocol.js';

type ServiceAnswer = Extract<ServiceMessage, { kind: 'answer' }>;

/** The longest line that a service may write: an answer with its result. */
const MAX_LINE_BYTES = 1_048_576;

/** The job that the child has in hand. */
interface InHand {
  readonly claim: Claim;
  readonly startedAtMs: number;
  readonly timeoutMs: number;
  readonly stdout: CappedOutput;
  readonly stderr: CappedOutput;
  readonly cancelTimeout: () => void;
  readonly resolve: (report: AttemptReport) => void;
  interruption: Interruption | null;
  /** Set when the child must go for what it did with this job. */
  verdict: RunOutcome | null;
  progress: number | null;
}

/** One long-lived child of a service or module task. Takes one job at a time. */
export class ServiceChild {
  readonly #task: TaskConfig;
  readonly #context: RunContext;
  readonly #child: OwnedChild;
  readonly #label: string;
  #inHand: InHand | null = null;
  #usable = true;
  #lastAnsweredId: string | null = null;
  /** Resolves when nothing is left of it. */
  readonly ended: Promise<void>;

  constructor(task: TaskConfig, argv: readonly string[], context: RunContext) {
    this.#task = task;
    this.#context = context;
    this.#label = `service of task ${task.name}`;
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
    this.#child.stderr.on('data', (chunk: Buffer) => this.#inHand?.stderr.push(chunk));
    this.ended = this.#watch();
  }

  /** May be given a job. */
  get isIdle(): boolean {
    return this.#usable && this.#inHand === null;
  }

  run(claim: Claim): RunningAttempt {
    const timeoutMs = timeoutOf(claim, this.#task);
    const { clock } = this.#context;
    let job: InHand | null = null;
    const interrupt = (reason: Interruption, urgent: boolean) => {
      // An answer that came first stands.
      if (job === null || this.#inHand !== job) return;
      job.interruption ??= reason;
      this.#usable = false;
      this.#child.terminate(urgent ? 0 : this.#task.killGraceMs);
    };
    const report = new Promise<AttemptReport>((resolve) => {
      job = {
        claim,
        startedAtMs: clock.wallMs(),
        timeoutMs,
        stdout: new CappedOutput(this.#task.outputBytes),
        stderr: new CappedOutput(this.#task.outputBytes),
        cancelTimeout: atDeadline(clock, timeoutMs, () => interrupt('timed-out', false)),
        resolve,
        interruption: null,
        verdict: null,
        progress: null,
      };
      this.#inHand = job;
    });
    this.#child.stdin.write(requestLine(claim));
    return { report, interrupt, progress: () => job?.progress ?? null };
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
    const job = this.#inHand;
    const message = readServiceLine(line);
    switch (message.kind) {
      case 'text':
        this.#keepText(line);
        return;
      case 'progress':
        if (job?.claim.id === message.id) job.progress = message.share;
        return;
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
    const job = this.#inHand;
    if (job !== null && job.claim.id === id && (attempt ?? job.claim.attempt) === job.claim.attempt) {
      if (job.interruption === null) this.#end(job, outcome, null);
    } else if (id === this.#lastAnsweredId) {
      this.#retire(`answered twice for job ${id}`);
    } else {
      this.#giveUpOn(`answered for job ${id}, which it does not have in hand`);
    }
  }

  /** What its libraries print stands with the job, up to the cap of its output; more is a flood. */
  #keepText(line: Buffer): void {
    const job = this.#inHand;
    if (job === null) return;
    job.stdout.push(Buffer.concat([line, Buffer.from('\n')]));
    if (job.stdout.totalBytes > this.#task.outputBytes) {
      this.#giveUpOn(`wrote more than ${this.#task.outputBytes} bytes that are no answer to its stdout`);
    }
  }

  /** It did wrong with an earlier job: it takes no other, but the one that it has in hand is innocent. */
  #retire(problem: string): void {
    this.#context.log.warn({ task: this.#task.name }, `${this.#label} ${problem}; it is replaced`);
    this.#usable = false;
    if (this.#inHand === null) this.#child.terminate(0);
  }

  /** What it says can no longer be trusted: it goes, and costs the job that it has in hand an attempt. */
  #giveUpOn(problem: string): void {
    if (this.#usable)
      this.#context.log.warn({ task: this.#task.name }, `${this.#label} ${problem}; it is replaced`);
    this.#usable = false;
    if (this.#inHand !== null) {
      this.#inHand.verdict ??= { kind: 'failed', reason: `the service ${problem}` };
    }
    this.#child.terminate(0);
  }

  async #watch(): Promise<void> {
    const exit = await this.#child.exited;
    this.#usable = false;
    await this.#child.gone(true);
    const job = this.#inHand;
    if (job === null) return;
    const outcome =
      job.interruption === null
        ? (job.verdict ?? outcomeOfServiceExit(exit, job.stderr))
        : interruptedOutcome(job.interruption, job.timeoutMs);
    this.#end(job, outcome, exit);
  }

  #end(job: InHand, outcome: RunOutcome, exit: ChildExit | null): void {
    this.#inHand = null;
    this.#lastAnsweredId = job.claim.id;
    if (!this.#usable) this.#child.terminate(0);
    job.cancelTimeout();
    failpoint('run.after-exit');
    job.resolve({
      outcome: this.#capResult(job, outcome),
      startedAtMs: job.startedAtMs,
      endedAtMs: this.#context.clock.wallMs(),
      exitCode: exit?.exitCode ?? null,
      signal: exit?.signal ?? null,
      stdout: job.stdout.text(),
      stderr: job.stderr.text(),
    });
  }

  #capResult(job: InHand, outcome: RunOutcome): RunOutcome {
    if (outcome.kind !== 'done' || outcome.result === null) return outcome;
    if (Buffer.byteLength(outcome.result) <= this.#task.outputBytes) return outcome;
    this.#context.log.warn(
      { job: job.claim.id, task: this.#task.name },
      `The result of job ${job.claim.id} is longer than ${this.#task.outputBytes} bytes and was not kept`,
    );
    return { kind: 'done', result: null };
  }
}
