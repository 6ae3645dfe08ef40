/** Jobs added one by one, each durable before its answer, beside the same rows written by hand. */
import { median, ratioOf, runAlone } from '../run-alone.mjs';

const AT_LEAST = 0.8;
const MOST_JOBS = 2_000;
const WAYS = {
  rows: 'the same rows by hand',
  bare: 'one bare row by hand',
  dogged: 'dogged, admission of one record',
};

export async function measureEnqueue(options) {
  const jobs = Math.min(options.jobs, MOST_JOBS);
  const answers = [];
  for (let round = 1; round <= options.rounds; round += 1) {
    options.say(`round ${round} of ${options.rounds}: enqueue one by one`);
    answers.push(await runAlone('enqueue', { jobs }, options));
  }
  const rates = (way) => answers.map((answer) => jobs / answer[way].seconds);
  const rows = Object.entries(WAYS).map(([way, what]) => {
    const row = {
      what,
      'jobs/s': Math.round(median(rates(way))),
      'CPU µs/job': Math.round(median(answers.map((answer) => (answer[way].cpuSeconds * 1e6) / jobs))),
    };
    if (way === 'dogged') return row;
    const { ratio, from, to } = ratioOf(rates('dogged'), rates(way));
    const target = way === 'rows' ? `>= ${AT_LEAST} ×: ${ratio >= AT_LEAST ? 'met' : 'NOT MET'}` : undefined;
    return { ...row, 'dogged is': `${ratio} × (${from} to ${to})`, ...(target && { target }) };
  });
  return [{ title: `enqueue one by one, each durable before its answer, ${jobs} jobs`, rows }];
}
