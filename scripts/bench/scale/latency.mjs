/** From ready (admitted, or added) to the first line of the handler, while jobs come in at a steady rate. */
import { alternate, median, ratioOf } from '../queue/run-alone.mjs';
import { runBullmq } from './bullmq-fleet.mjs';
import { runDogged } from './dogged-fleet.mjs';

const PERCENTILES = [50, 95, 99];
const CONTENDERS = { dogged: runDogged, 'plain BullMQ': runBullmq };

export async function measureLatency(options) {
  const rows = [];
  for (const workers of options.workers) {
    const works = Object.entries(CONTENDERS).map(([name, run]) => ({
      name: `${name}, ${workers} worker(s), ${options.rate} jobs/s`,
      run: () => run({ ...options, workers, isPaced: true }),
    }));
    const answers = await alternate(works, options.rounds, options.say);
    for (const [index, runs] of answers.entries()) {
      const of = (percent) => median(runs.map(({ waitsMs }) => percentile(waitsMs, percent)));
      rows.push({
        what: works[index].name,
        jobs: runs[0].waitsMs.length,
        ...Object.fromEntries(PERCENTILES.map((percent) => [`p${percent} ms`, Math.round(of(percent))])),
      });
    }
    const p50 = answers.map((runs) => runs.map(({ waitsMs }) => Math.max(1, percentile(waitsMs, 50))));
    rows.at(-2)['p50 is'] = `${ratioOf(...p50).ratio} × plain BullMQ's`;
  }
  return [{ title: `from ready to begun, ${options.rate} jobs/s for ${options.seconds} s`, rows }];
}

function percentile(numbers, percent) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))];
}
