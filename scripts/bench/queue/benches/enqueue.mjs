/** Jobs added one by one, each durable before its answer, beside the same rows written by hand. */
import { alternate, median, ratioOf, runAlone } from '../run-alone.mjs';

const AT_LEAST = 0.8;
const MOST_JOBS = 5_000;

export async function measureEnqueue(options) {
  const jobs = Math.min(options.jobs, MOST_JOBS);
  const works = [
    { name: 'the same rows by hand', module: 'raw-enqueue', params: { rows: 'same' } },
    { name: 'one bare row by hand', module: 'raw-enqueue', params: { rows: 'bare' } },
    { name: 'dogged, admission of one record', module: 'dogged-enqueue' },
  ].map(({ name, module, params }) => ({
    name,
    run: () => runAlone(module, { ...params, jobs }, options),
  }));
  const answers = await alternate(works, options.rounds, options.say);
  const rates = answers.map((rounds) => rounds.map(({ enqueue }) => jobs / enqueue.seconds));
  const ours = rates.at(-1);
  const rows = works.map(({ name }, index) => {
    const { ratio, from, to } = ratioOf(ours, rates[index]);
    return {
      what: name,
      'jobs/s': Math.round(median(rates[index])),
      'CPU µs/job': Math.round(
        median(answers[index].map(({ enqueue }) => (enqueue.cpuSeconds * 1e6) / jobs)),
      ),
      ...(index === works.length - 1 ? {} : { 'dogged is': `${ratio} × (${from} to ${to})` }),
      ...(index === 0 ? { target: `>= ${AT_LEAST} ×: ${ratio >= AT_LEAST ? 'met' : 'NOT MET'}` } : {}),
    };
  });
  return [{ title: `enqueue one by one, each durable before its answer, ${jobs} jobs`, rows }];
}
