/*
 * One contender, once, in a process of its own: nobody's garbage or compiled code meets anybody else.
 *   node contender.mjs MODULE '{"folder": …}'
 * Its answer is one line of JSON on stdout. Started by `run-alone.mjs`.
 */
const [, , name, params] = process.argv;
const { run } = await import(`./contenders/${name}.mjs`);
const answer = await run(JSON.parse(params));
process.stdout.write(`\n${JSON.stringify(answer)}\n`, () => process.exit(0));
