/** Jobs that do nothing, begun and ended by one, two and more workers. */
import { alternate, median, ratioOf } from '../queue/run-alone.mjs';
import { runBullmq } from './bullmq-fleet.mjs';
import { runDogged } from './dogged-fleet.mjs';

const TARGET = 0.6;
const CONTENDERS = {
  dogged: runDogged,
  'plain BullMQ': runBullmq,
  'BullMQ, claimed by hand': (options) => runBullmq({ ...options, isManual: true }),
  'dogged on SQLite alone': (options) => runDogged({ ...options, isAlone: true }),
};

export async function measureThroughput(options) {
  const rows = [];
  for (const workers of options.workers) {
    // Several that share nothing would only tell how many cores there are.
    const present = Object.entries(CONTENDERS).slice(0, workers === 1 ? 4 : 3);
    const works = present.map(([name, run]) => ({
      name: `${name}, ${workers} worker(s)`,
      run: () => run({ ...options, workers }),
    }));
    const answers = await alternate(works, options.rounds, options.say);
    const rates = answers.map((runs) => runs.map(({ rate }) => rate));
    for (const [index, runs] of answers.entries()) {
      const { ratio, from, to } = ratioOf(rates[index], rates[1]);
      const compared = index === 1 ? {} : { 'of plain BullMQ': `${ratio} (${from} to ${to})` };
      const judged = index === 0 ? { target: `>= ${TARGET}: ${ratio >= TARGET ? 'met' : 'NOT MET'}` } : {};
      rows.push(rowOf(works[index].name, runs, { ...compared, ...judged }));
    }
  }
  return [{ title: `begin + end of ${options.jobs} jobs that stand ready`, rows }];
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
