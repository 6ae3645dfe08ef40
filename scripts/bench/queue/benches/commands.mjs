/** Commands that do nothing (`true`), two at a time, beside bare execa in a p-queue; and what many of them leave behind. */
import { alternate, median, ratioOf, runAlone } from '../run-alone.mjs';

const AT_LEAST = 0.85;
const WIDTH = 2;
const COMMANDS = { few: 600, many: 100_000 };

export async function measureCommands(options) {
  const jobs = Math.min(options.jobs, COMMANDS.few);
  const works = [
    { name: 'execa + p-queue', module: 'raw-commands', params: { by: 'execa' } },
    { name: 'dogged, command task', module: 'dogged-commands' },
    { name: 'node:child_process + p-queue', module: 'raw-commands', params: { by: 'spawn' } },
    { name: 'xargs -P2', module: 'raw-commands', params: { by: 'xargs' } },
  ].map(({ name, module, params }) => ({
    name,
    run: () => runAlone(module, { ...params, jobs, slots: WIDTH }, options),
  }));
  const answers = await alternate(works, options.rounds, options.say);
  const rates = answers.map((rounds) => rounds.map(({ run }) => jobs / run.seconds));
  const ours = 1;
  const rows = works.map(({ name }, index) => {
    const { ratio, from, to } = ratioOf(rates[ours], rates[index]);
    return {
      what: name,
      'commands/s': Math.round(median(rates[index])),
      'own CPU µs/command': Math.round(
        median(answers[index].map(({ run }) => (run.cpuSeconds * 1e6) / jobs)),
      ),
      ...(index === ours ? {} : { 'dogged is': `${ratio} × (${from} to ${to})` }),
      ...(index === 0 ? { target: `>= ${AT_LEAST} ×: ${ratio >= AT_LEAST ? 'met' : 'NOT MET'}` } : {}),
    };
  });
  return [{ title: `commands (true), ${WIDTH} at a time, ${jobs} of them`, rows }, await leakTable(options)];
}

/** Memory after a warm-up and at the end, both after a collection of garbage; nothing else may have grown at all. */
async function leakTable(options) {
  const jobs = options.large ? COMMANDS.many : Math.min(options.jobs, 4 * COMMANDS.few);
  options.say(`leak check over ${jobs} commands`);
  const { left } = await runAlone('dogged-commands', { jobs, slots: WIDTH }, options);
  const rows = Object.entries(left).map(([what, { before, after }]) => ({
    what,
    'after 10 %': before,
    'after all': after,
  }));
  return { title: `what ${jobs} commands leave behind in the worker`, rows };
}
