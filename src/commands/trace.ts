import { DoggedError, EXIT } from '../job/errors.js';
import { type Clock, pause } from '../platform/clock.js';
import type { JobDetails } from '../store/read-contract.js';
import type { KnownKey } from '../store/trace-contract.js';
import type { CheckpointVerdict } from '../trace/verdict.js';
import { escapeText } from '../view/escape.js';
import type { Layout } from '../view/screen-parts.js';
import { composeSnapshot, lookAtStore } from '../view/snapshot.js';
import { checkpointLines, shortKey, traceHead, traceJson, traceScreen } from '../view/trace-screen.js';
import { type Way, wayOfCycle, wayOfJob } from '../view/trace-way.js';
import { waitingFor } from '../view/waiting-for.js';
import type { CommandModule, CommonOptions, Output } from './command.js';
import { layoutFor } from './layout.js';
import { locateSystem, type Reader, withReader } from './system.js';

interface TraceOptions extends CommonOptions {
  readonly follow?: boolean;
}

const LOOK_EVERY_MS = 200;
const MOST_MENTIONS = 5;

export const traceCommand: CommandModule<TraceOptions> = {
  examples: ['dogged trace 17', 'dogged trace ideas:"A shed"', 'dogged trace 1767225600000-4f2a --follow'],
  notes: `Names a cycle (the \`cycle\` of a log line or a job), a job, or a record as SOURCE:KEY (TASK:KEY for one that was added).
Exit codes: 0 every hand-off is well or still to come, 1 one is broken. With --follow: until nothing more comes.`,
  configure(command) {
    command
      .argument('<what>', 'a cycle, a job, or SOURCE:KEY')
      .option('-f, --follow', 'go on until its jobs have ended');
  },
  async run({ args, options, output, clock }) {
    const what = args[0] ?? '';
    const { stateFolder } = await locateSystem(options);
    return withReader(stateFolder, clock, async (store) => {
      const layout = layoutFor(options, output);
      const isEndKept: Asker = async (job) => {
        if (job.place !== 'running') return false;
        const nowMs = clock.wallMs();
        return (
          waitingFor(job, composeSnapshot(stateFolder, await lookAtStore(store, nowMs), nowMs)) === 'end'
        );
      };
      const find = await finderOf(store, what, output, isEndKept);
      let way = await find();
      output.json(traceJson(way));
      output.print(traceScreen(way, layout).join('\n'));
      if (options.follow === true) way = await follow(way, find, { store, output, layout, clock });
      return way.verdict === 'broken' ? EXIT.failed : EXIT.ok;
    });
  },
};

/** Whether its attempt is over, and the worker keeps the end. */
type Asker = (job: JobDetails) => Promise<boolean>;

interface FollowParts {
  readonly store: Reader;
  readonly output: Output;
  readonly layout: Layout;
  readonly clock: Clock;
}

/** Each checkpoint once more when it has changed: a time that is told more exactly later is no change. */
async function follow(first: Way, find: () => Promise<Way>, parts: FollowParts): Promise<Way> {
  const { store, output, layout, clock } = parts;
  const shown = new Set(first.checkpoints.map(identify));
  let way = first;
  let isNews = false;
  while (!way.isOver) {
    await pause(clock, LOOK_EVERY_MS);
    if (!store.changedElsewhere()) continue;
    way = await find();
    const news = way.checkpoints.filter((step) => !shown.has(identify(step)));
    if (news.length === 0) continue;
    isNews = true;
    for (const step of news) shown.add(identify(step));
    output.json(traceJson(way));
    output.print(news.flatMap((step) => checkpointLines(step, layout)).join('\n'));
  }
  if (isNews) output.print(traceHead(way, layout));
  return way;
}

function identify({ atMs: _, ...step }: CheckpointVerdict): string {
  return JSON.stringify(step);
}

/** Asks again for the same thing. Throws TRACE_UNKNOWN where nothing is known of it. */
async function finderOf(
  store: Reader,
  what: string,
  output: Output,
  isEndKept: Asker,
): Promise<() => Promise<Way>> {
  if (/^\d+$/.test(what)) return () => findJob(store, what, what, isEndKept);
  const cycle = await store.cycle(what);
  if (cycle !== null) return () => findCycle(store, what);
  const colon = what.indexOf(':');
  if (colon <= 0) throw new DoggedError('TRACE_UNKNOWN', { what: shortKey(what) || 'an empty name' });
  const [source, key] = [what.slice(0, colon), what.slice(colon + 1)];
  const known = await store.knownKeys(source, key, MOST_MENTIONS);
  const chosen = known.find(({ job }) => job !== null) ?? known[0];
  if (chosen === undefined) return refused(store, what, source, key);
  tellMore(chosen, output);
  for (const other of known) if (other !== chosen) output.note(tellOther(other));
  const { job, mentions } = chosen;
  const [mention] = mentions;
  if (job !== null && chosen.prunedAs === null) return () => findJob(store, job, what, isEndKept);
  if (mention !== undefined) return () => findCycle(store, mention);
  throw new DoggedError('TRACE_UNKNOWN', {
    what: `${shortKey(what)} but that its job is ${chosen.prunedAs}, and was pruned`,
  });
}

function tellMore({ job, prunedAs, mentions }: KnownKey, output: Output): void {
  if (job !== null && prunedAs !== null) output.note(`Its job ${job} is ${prunedAs}, and was pruned`);
  if (job !== null && mentions.length > 0) {
    const cycles = mentions.map(escapeText).join(', ');
    output.note(`It was seen again and not handed on, or no longer planned, in: ${cycles}`);
  }
}

/** The same key somewhere else, under the same name. */
function tellOther({ scope, job, prunedAs }: KnownKey): string {
  const { kind, name, workspace } = scope ?? { kind: 'source', name: '', workspace: '' };
  const where = `${escapeText(name)} (${kind === 'source' ? '' : 'added by hand, '}workspace ${escapeText(workspace)})`;
  const whose = `The same key is known to the ${kind} ${where}`;
  return prunedAs === null
    ? `${whose}: dogged trace ${job}`
    : `${whose}: its job ${job} is ${prunedAs}, and was pruned`;
}

/** Neither a job nor an account that is kept: a refusal may still stand in the book of rejects. */
async function refused(store: Reader, what: string, source: string, key: string): Promise<never> {
  const rejects = await store.rejects(source, 1_000);
  const reject = rejects.find((one) => one.key === key);
  const why =
    reject === undefined
      ? ''
      : `, but that it is refused (${reject.reason}: ${reject.detail}); ${reject.remedy}`;
  throw new DoggedError('TRACE_UNKNOWN', { what: `${shortKey(what)}${escapeText(why)}` });
}

async function findCycle(store: Reader, id: string): Promise<Way> {
  const cycle = await store.cycle(id);
  if (cycle === null) throw new DoggedError('TRACE_UNKNOWN', { what: `the cycle ${shortKey(id)}` });
  return wayOfCycle(cycle);
}

async function findJob(store: Reader, id: string, what: string, isEndKept: Asker): Promise<Way> {
  const job = await store.get(null, id);
  if (job === null)
    throw new DoggedError('TRACE_UNKNOWN', {
      what: `${what === id ? 'job' : 'the job of'} ${shortKey(what)}`,
    });
  return wayOfJob(job, await store.cycle(job.cycle), await isEndKept(job));
}
