import type { BeatQueue, BeatSlot, BeatWaiting } from '../heartbeat/beat.js';
import type { Settings } from '../heartbeat/settings.js';
import { type Clock, pause } from '../platform/clock.js';
import { countText, durationText, plural } from '../platform/duration-text.js';
import { type Check, type CheckResult, result } from './check.js';
import { checkSourceAccount, type SourceFacts } from './check-source-account.js';

/** What the database says, or the last beat where that cannot be read. Handed in: health opens no store. */
export interface QueueFacts {
  readonly countedFrom: 'database' | 'heartbeat' | 'nothing';
  /** What could not be read, in words. */
  readonly problems: readonly string[];
  readonly queue: BeatQueue;
  readonly oldestDueMs: number | null;
  readonly waiting: readonly BeatWaiting[];
  readonly pausedAll: boolean;
  readonly outages: readonly AwayFact[];
  readonly sources: readonly SourceFacts[];
  /** Of the processes: `running` and `stuck` have a worker. */
  readonly verdict?: string;
  /** Why Redis takes nothing; left out where there is none to tell of. */
  readonly redis?: {
    readonly address: string;
    readonly problem: string | null;
    readonly waiting: number;
  } | null;
  /** Ends of jobs that the worker keeps until the store takes them. */
  readonly endsKept?: readonly object[];
  /** Jobs move between stores, as people are told of it, and what is wrong with that. */
  readonly move?: { readonly text: string; readonly problems: readonly string[] } | null;
  /** That the config names another store than the one that runs the jobs, with the line to write. */
  readonly otherStore?: string | null;
  readonly slots: readonly BeatSlot[];
  /** Jobs that were set aside because their stored payload is no longer what was admitted, the oldest of them. */
  readonly damaged: readonly { readonly job: string; readonly task: string; readonly key: string }[];
  /** Polls of the last day of which a batch was refused because it was not what had been read, newest first. */
  readonly brokenCycles: readonly {
    readonly cycle: string;
    readonly source: string;
    readonly ageMs: number;
    readonly at: string;
    readonly why: string;
  }[];
}

/** An outage that goes on. */
export interface AwayFact {
  readonly dependency: string;
  readonly ageMs: number;
  /** Jobs that wait for it. */
  readonly held: number;
  /** What was said by the attempt that opened the breaker. */
  readonly cause: string;
  /** When it is tried again, in words. */
  readonly nextTry: string;
}

/** `readFacts` is asked once for all of them, and has this long: four checks that wait for one lock must not add up. */
const FACTS_WITHIN_MS = 2_000;

export function queueChecks(settings: Settings, readFacts: () => Promise<QueueFacts>, clock: Clock): Check[] {
  let asked: Promise<QueueFacts> | null = null;
  const read = () => {
    asked ??= within(FACTS_WITHIN_MS, readFacts(), clock);
    return asked;
  };
  /** Old figures of the last beat are no pass for what only the database can tell. */
  const known = async (
    name: string,
    label: string,
    judge: (facts: QueueFacts) => CheckResult[],
  ): Promise<CheckResult[]> => {
    const facts = await read();
    if (facts.countedFrom === 'database' || facts.problems.length === 0) return judge(facts);
    return [result(name, label, 'unknown', 'could not be checked: the database cannot be read')];
  };
  return [
    { name: 'queue', run: () => known('queue', 'Queue', (facts) => checkQueue(settings, facts)) },
    { name: 'breakers', run: () => known('breakers', 'Breakers', checkBreakers) },
    { name: 'redis', run: async () => checkRedis(await read()) },
    { name: 'move', run: async () => checkMove(await read()) },
    { name: 'orphans', run: async () => checkOrphans(await read()) },
    {
      name: 'sources',
      run: () => known('sources', 'Sources', (facts) => facts.sources.map(checkSourceAccount)),
    },
    { name: 'dead-letters', run: () => known('dead-letters', 'Dead letters', checkDeadLetters) },
    { name: 'payloads', run: () => known('payloads', 'Payloads', checkPayloads) },
    { name: 'hand-offs', run: () => known('hand-offs', 'Hand-offs', checkHandOffs) },
    { name: 'database', run: async () => checkDatabase(await read()) },
  ];
}

async function within<T>(limitMs: number, work: Promise<T>, clock: Clock): Promise<T> {
  const over = new AbortController();
  const late = pause(clock, limitMs, over.signal).then(() => {
    throw new Error(`the database gave no answer within ${limitMs / 1_000} s`);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    late.catch(() => undefined);
    over.abort();
  }
}

function checkQueue(
  { health }: Settings,
  { queue, oldestDueMs, waiting, pausedAll }: QueueFacts,
): CheckResult[] {
  const { pending, running, scheduled, completed } = queue;
  const counts = [`${countText(pending)} pending`, `${countText(running)} running`];
  if (scheduled > 0) counts.push(`${countText(scheduled)} scheduled`);
  counts.push(`${countText(completed)} completed`);
  const text = counts.join(', ');
  if (pending === 0 || oldestDueMs === null || oldestDueMs <= health.pendingWarnMs) {
    return [result('queue', 'Queue', 'ok', text)];
  }
  const reasons = waiting.map(
    ({ task, reason }) => `task "${task}" waits for ${WAITS_FOR[reason] ?? reason}`,
  );
  const why = reasons.length === 0 ? 'no worker takes them' : reasons.join('; ');
  const paused = waiting.find((line) => line.reason === 'paused');
  const resume = pausedAll ? 'dogged resume' : `dogged resume ${paused?.task}`;
  const remedy = paused === undefined ? 'dogged queue --once' : resume;
  return [
    result('queue', 'Queue', 'warning', `${text}; oldest ${durationText(oldestDueMs)}: ${why}`, remedy),
  ];
}

const WAITS_FOR: Readonly<Record<string, string>> = {
  slots: 'a free slot',
  concurrency: 'its own concurrency',
  group: 'its group limit',
  paused: 'somebody to resume it',
  breaker: 'its breaker to close',
  memory: 'memory',
  disk: 'disk space',
  clock: 'a clock that can be trusted',
  redis: 'Redis',
  elsewhere: 'another machine',
  alone: 'a job that runs alone because the worker died under it twice',
};

/** Nothing of ours can end these processes; as long as they live, their job holds a slot and does not run again. */
function checkOrphans({ slots }: QueueFacts): CheckResult[] {
  return slots.flatMap(({ job = '', task = '', orphanPids }) => {
    if (orphanPids === undefined) return [];
    const text = `the worker died under it, and PID ${orphanPids.join(', ')} cannot be killed; it stays running until then`;
    const remedy = `ps -o pid,stat,wchan,cmd -p ${orphanPids.join(',')}`;
    return [result(`orphan:${job}`, `Job ${job} (${task})`, 'warning', text, remedy)];
  });
}

/** Said at once, however short they have waited: nobody but a person can put a missing program back. */
function checkBreakers({ outages }: QueueFacts): CheckResult[] {
  return outages.map(({ dependency, ageMs, held, cause, nextTry }) => {
    const jobs = held === 0 ? 'no job waits' : plural(held, 'job waits', 'jobs wait');
    const text = `away for ${durationText(ageMs)}, ${jobs}, ${nextTry}; it began with: ${cause}`;
    return result(`breaker:${dependency}`, `Breaker ${dependency}`, 'warning', text, 'dogged outages');
  });
}

function checkRedis({ redis, endsKept = [], verdict = 'running' }: QueueFacts): CheckResult[] {
  if (redis === undefined || redis === null) return [];
  const { address, problem, waiting } = redis;
  if (verdict !== 'running' && verdict !== 'stuck') {
    const text = `${address}: no worker speaks with it; ${plural(waiting, 'job waits', 'jobs wait')} here`;
    return [result('redis', 'Redis', 'not-applicable', text)];
  }
  if (problem === null) return [result('redis', 'Redis', 'ok', `${address} takes jobs`)];
  const [why, command] = commandIn(problem);
  const kept =
    endsKept.length === 0 ? '' : `, ${plural(endsKept.length, 'end is', 'ends are')} kept until it is back`;
  const text = `${why}; ${plural(waiting, 'job waits', 'jobs wait')} here for it${kept}, and intake goes on`;
  // A copy of the state folder is in the way, and nothing is the matter with Redis.
  const remedy = /this state folder/.test(problem) ? null : `redis-cli -u ${address} ${command ?? 'PING'}`;
  return [result('redis', 'Redis', 'warning', text, remedy)];
}

/** What is set wrongly names the command that mends it; where none does, only a look helps. */
function commandIn(problem: string): readonly [string, string | null] {
  const [, why = problem, command = null] = /^(.*?)(?:; set it)? with: redis-cli (.*)$/.exec(problem) ?? [];
  return [why, command];
}

function checkMove({ move, otherStore }: QueueFacts): CheckResult[] {
  const results: CheckResult[] = [];
  if (otherStore != null) results.push(result('store', 'Store', 'warning', otherStore, null));
  if (move == null) return results;
  for (const problem of move.problems)
    results.push(result('move', 'Move', 'warning', problem, 'dogged migrate --status'));
  if (move.problems.length === 0) results.push(result('move', 'Move', 'ok', move.text));
  return results;
}

function checkDeadLetters({ queue }: QueueFacts): CheckResult[] {
  if (queue.failed === 0) return [result('dead-letters', 'Dead letters', 'ok', 'none')];
  const text = `${plural(queue.failed, 'job')} failed for good`;
  return [result('dead-letters', 'Dead letters', 'warning', text, 'dogged jobs --state failed')];
}

/** Nothing of them was run. Bytes do not change by themselves: memory, disk or somebody with an editor is to blame. */
function checkPayloads({ damaged }: QueueFacts): CheckResult[] {
  if (damaged.length === 0)
    return [result('payloads', 'Payloads', 'ok', 'all that were claimed match their hash')];
  return damaged.map(({ job, task, key }) => {
    const text = `job ${job} (${task}, "${key}"): its stored payload is no longer what was admitted; nothing was run`;
    return result(`payload:${job}`, 'Payload damaged', 'critical', text, `dogged trace ${job}`);
  });
}

/** It was read again: what is told here is that memory, or a program, is not to be trusted. */
function checkHandOffs({ brokenCycles }: QueueFacts): CheckResult[] {
  const [last] = brokenCycles;
  if (last === undefined) return [result('hand-offs', 'Hand-offs', 'ok', 'none was broken within a day')];
  const { cycle, source, ageMs, at, why } = last;
  const text = `${plural(brokenCycles.length, 'poll')} broken within a day, the last ${durationText(ageMs)} ago (${source}, ${at}): ${why}; it was read again`;
  return [result('hand-offs', 'Hand-offs', 'warning', text, `dogged trace ${cycle}`)];
}

function checkDatabase({ countedFrom, problems }: QueueFacts): CheckResult[] {
  if (problems.length > 0) {
    // They end as sentences do; the remedy follows after a colon.
    return problems.map((problem) =>
      result('database', 'State files', 'critical', problem.replace(/\.$/, ''), 'dogged logs'),
    );
  }
  if (countedFrom === 'database') return [result('database', 'Database', 'ok', 'readable')];
  return [result('database', 'Database', 'not-applicable', 'nothing has run here yet')];
}
