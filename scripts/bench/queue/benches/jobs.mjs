/** Durable enqueue + run + end of jobs that do nothing, beside the peers. */
import { alternate, median, ratioOf, runAlone } from '../run-alone.mjs';

/** Those that commit each step of each job run a part of the jobs, or it would take hours: rates are compared. */
const PART_OF_SLOW = 20;

const CONTENDERS = [
  { name: 'raw SQLite at FULL, nothing runs', module: 'raw-jobs', atLeast: null },
  { name: 'dogged, service task', module: 'dogged-jobs', params: { kind: 'service' } },
  { name: 'dogged, module task', module: 'dogged-jobs', params: { kind: 'module' } },
  { name: 'plainjob as shipped (NORMAL)', module: 'plainjob-jobs', peer: 'plainjob', atLeast: 2 },
  {
    name: 'plainjob at FULL',
    module: 'plainjob-jobs',
    params: { synchronous: 'FULL' },
    peer: 'plainjob',
    slow: true,
    atLeast: 4,
  },
  {
    name: 'BullMQ, append-only file everysec',
    module: 'bullmq-jobs',
    params: { appendOnly: true },
    peer: 'bullmq',
    atLeast: 3,
  },
  { name: 'BullMQ, nothing on disk', module: 'bullmq-jobs', params: { appendOnly: false }, peer: 'bullmq' },
  { name: 'liteque as shipped (NORMAL)', module: 'liteque-jobs', peer: 'liteque', slow: true },
];
const OURS = 1;

export async function measureJobs(options) {
  const tables = [];
  for (const slots of options.slots) {
    const present = CONTENDERS.filter(({ peer }) => peer === undefined || options.peers.has(peer));
    const works = present.map(({ name, module, params, slow }) => ({
      name: `${name}, ${slots} slots`,
      run: () => {
        const jobs = slow ? Math.ceil(options.jobs / PART_OF_SLOW) : options.jobs;
        return runAlone(module, { ...params, jobs, slots, peers: options.peers.root }, options);
      },
    }));
    const answers = await alternate(works, options.rounds, options.say);
    const rates = answers.map((rounds) => rounds.map(perSecond));
    tables.push({
      title: `enqueue + run + end, ${slots} slots`,
      rows: present.map(({ name, atLeast }, index) => rowOf(name, answers[index], rates, index, atLeast)),
    });
  }
  return tables;
}

function rowOf(what, answers, rates, index, atLeast) {
  const { jobs } = answers[0];
  const row = {
    what,
    jobs,
    'jobs/s': Math.round(median(rates[index])),
    'enqueue/s': Math.round(median(answers.map(({ enqueue }) => jobs / enqueue.seconds))),
    'run + end/s': Math.round(median(answers.map(({ run }) => jobs / run.seconds))),
    'own CPU µs/job': Math.round(median(answers.map(cpuMicrosPerJob))),
  };
  if (index === OURS) return row;
  const { ratio, from, to } = ratioOf(rates[OURS], rates[index]);
  row['dogged (service) is'] = `${ratio} × (${from} to ${to})`;
  if (atLeast) row.target = `>= ${atLeast} ×: ${ratio >= atLeast ? 'met' : 'NOT MET'}`;
  return row;
}

function perSecond({ jobs, enqueue, run }) {
  return jobs / (enqueue.seconds + run.seconds);
}

function cpuMicrosPerJob({ jobs, enqueue, run }) {
  return ((enqueue.cpuSeconds + run.cpuSeconds) * 1e6) / jobs;
}
