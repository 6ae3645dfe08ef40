import { DoggedError, EXIT } from '../job/errors.js';
import { type Clock, pause } from '../platform/clock.js';
import type { KnownKey } from '../store/trace-contract.js';
import { escapeText } from '../view/escape.js';
import type { Layout } from '../view/screen-parts.js';
import { checkpointLines, traceHead, traceJson, traceScreen } from '../view/trace-screen.js';
import { type Way, wayOfCycle, wayOfJob } from '../view/trace-way.js';
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
      const find = await finderOf(store, what, output);
      let way = await find();
      output.json(traceJson(way));
      output.print(traceScreen(way, layout).join('\n'));
      if (options.follow === true) way = await follow(way, find, { store, output, layout, clock });
      return way.verdict === 'broken' ? EXIT.failed : EXIT.ok;
    });
  },
};

interface FollowParts {
  readonly store: Reader;
  readonly output: Output;
  readonly layout: Layout;
  readonly clock: Clock;
}

/** Each checkpoint once more when it has changed. */
async function follow(first: Way, find: () => Promise<Way>, parts: FollowParts): Promise<Way> {
  const { store, output, layout, clock } = parts;
  const shown = new Set(first.checkpoints.flatMap((step) => checkpointLines(step, layout)));
  let way = first;
  while (!way.isOver) {
    await pause(clock, LOOK_EVERY_MS);
    if (!store.changedElsewhere()) continue;
    way = await find();
    const news = way.checkpoints
      .flatMap((step) => checkpointLines(step, layout))
      .filter((line) => !shown.has(line));
    if (news.length === 0) continue;
    for (const line of news) shown.add(line);
    output.json(traceJson(way));
    output.print(news.join('\n'));
  }
  output.print(traceHead(way, layout));
  return way;
}

/** Asks again for the same thing. Throws TRACE_UNKNOWN where nothing is known of it. */
async function finderOf(store: Reader, what: string, output: Output): Promise<() => Promise<Way>> {
  if (/^\d+$/.test(what)) return () => findJob(store, what, what);
  const cycle = await store.cycle(what);
  if (cycle !== null) return () => findCycle(store, what);
  const colon = what.indexOf(':');
  if (colon <= 0) throw new DoggedError('TRACE_UNKNOWN', { what: escapeText(what) || 'an empty name' });
  const [source, key] = [what.slice(0, colon), what.slice(colon + 1)];
  const known = await store.knownKeys(source, key, MOST_MENTIONS);
  const chosen = known.find(({ job }) => job !== null) ?? known[0];
  if (chosen === undefined) return refused(store, what, source, key);
  tellMore(chosen, known.length, output);
  const { job, mentions } = chosen;
  const [mention] = mentions;
  if (job !== null && chosen.prunedAs === null) return () => findJob(store, job, what);
  if (mention !== undefined) return () => findCycle(store, mention);
  throw new DoggedError('TRACE_UNKNOWN', {
    what: `${escapeText(what)} but that its job is ${chosen.prunedAs}, and was pruned`,
  });
}

function tellMore({ job, prunedAs, mentions }: KnownKey, workspaces: number, output: Output): void {
  if (job !== null && prunedAs !== null) output.note(`Its job ${job} is ${prunedAs}, and was pruned`);
  if (job !== null && mentions.length > 0) {
    output.note(`It was seen again, and not handed on, in: ${mentions.map(escapeText).join(', ')}`);
  }
  if (workspaces > 1) output.note(`${workspaces} workspaces know this key; this is the first of them`);
}

/** Neither a job nor an account that is kept: a refusal may still stand in the book of rejects. */
async function refused(store: Reader, what: string, source: string, key: string): Promise<never> {
  const rejects = await store.rejects(source, 1_000);
  const reject = rejects.find((one) => one.key === key);
  const why =
    reject === undefined
      ? ''
      : `, but that it is refused (${reject.reason}: ${reject.detail}); ${reject.remedy}`;
  throw new DoggedError('TRACE_UNKNOWN', { what: escapeText(`${what}${why}`) });
}

async function findCycle(store: Reader, id: string): Promise<Way> {
  const cycle = await store.cycle(id);
  if (cycle === null) throw new DoggedError('TRACE_UNKNOWN', { what: `the cycle ${escapeText(id)}` });
  return wayOfCycle(cycle);
}

async function findJob(store: Reader, id: string, what: string): Promise<Way> {
  const job = await store.get(null, id);
  if (job === null)
    throw new DoggedError('TRACE_UNKNOWN', {
      what: `${what === id ? 'job' : 'the job of'} ${escapeText(what)}`,
    });
  return wayOfJob(job, await store.cycle(job.cycle));
}
