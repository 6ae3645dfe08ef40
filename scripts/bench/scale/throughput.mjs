/** Jobs that do nothing, begun and ended by one, two and more workers. */
import { alternate, median, ratioOf } from '../queue/run-alone.mjs';
import { runBullmq } from './bullmq-fleet.mjs';
import { runDogged } from './dogged-fleet.mjs';

const TARGET = 0.6;
const CONTENDERS = { dogged: runDogged, 'plain BullMQ': runBullmq };

export async function measureThroughput(options) {
  const rows = [];
  for (const workers of options.workers) {
    const works = Object.entries(CONTENDERS).map(([name, run]) => ({
      name: `${name}, ${workers} worker(s)`,
      run: () => run({ ...options, workers }),
    }));
    const [ours, theirs] = await alternate(works, options.rounds, options.say);
    const rates = [ours, theirs].map((runs) => runs.map(({ rate }) => rate));
    const { ratio, from, to } = ratioOf(...rates);
    rows.push(
      rowOf(`${works[0].name}`, ours, {
        'of plain BullMQ': `${ratio} (${from} to ${to})`,
        target: `>= ${TARGET}: ${ratio >= TARGET ? 'met' : 'NOT MET'}`,
      }),
    );
    rows.push(rowOf(`${works[1].name}`, theirs, {}));
  }
  return [{ title: `begin + end of ${options.jobs} jobs that stand in Redis`, rows }];
}

function rowOf(what, runs, more) {
  const micros = (name) => Math.round(median(runs.map(({ cpu, jobs }) => (cpu[name] * 1e6) / jobs)));
  const busy = Math.round(100 * median(runs.map(({ cpu, seconds }) => cpu.redis / seconds)));
  return {
    what,
    'jobs/s': Math.round(median(runs.map(({ rate }) => rate))),
    'workers’ CPU µs/job': micros('workers'),
    'children’s': micros('children'),
    'Redis’': micros('redis'),
    'Redis’ core busy': `${busy} %`,
    ...more,
  };
}
