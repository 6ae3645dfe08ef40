import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/platform/clock.js';
import { openStore } from '../../src/store/open.js';
import { textWidth } from '../../src/view/text-width.js';
import { admit } from '../conformance/given.js';
import { builtCli } from '../support/built-program.js';
import { type Workplace, workplace } from '../support/dogged.js';
import { tempFolder } from '../support/temp-folder.js';
import { openTerminal, type Terminal, whyNoTerminal } from '../support/terminal.js';
import { until } from '../support/until.js';

/* The live screen of `dogged queue`, with the real program and a real worker, in a real terminal. */

const CONFIG = `
slots: 3
tasks:
  long: { run: [sh, -c, "echo $$ > long.pid; while [ ! -e enough ]; do sleep 0.1; done"] }
  bad: { run: [sh, -c, "echo the widget is missing; test -e mended || exit 65"] }
  later: { run: ["true"] }
`;
const HOSTILE = 'x\x1b[2J\x1b[31m\u202etxt 日本語 👩‍👩‍👧 end';

function project(): Workplace {
  const folder = tempFolder();
  writeFileSync(join(folder, 'dogged.config.yaml'), CONFIG);
  return workplace(folder);
}

async function openQueue(
  place: Workplace,
  columns = 100,
  rows = 30,
  env = {},
  cli = builtCli(),
): Promise<Terminal> {
  const terminal = openTerminal(place.folder, columns, rows, env);
  terminal.type(`'${process.execPath}' '${cli}' queue; echo "ended with $?"`);
  terminal.keys('Enter');
  await terminal.untilShown(/q quit\s*$/);
  return terminal;
}

const why = whyNoTerminal();

describe.skipIf(why !== null)(`the live queue${why === null ? '' : ` (skipped here: ${why})`}`, () => {
  it('shows what runs, opens the output of a job, runs a dead letter again, pauses and filters, and leaves no trace', async () => {
    const place = project();
    place.run('start');
    const [bad] = place.json('add', 'bad', '--key', 'widget');
    place.run('wait', bad.id);
    place.json('add', 'long', '--key', HOSTILE);
    await until(() => existsSync(join(place.folder, 'long.pid')));
    const terminal = await openQueue(place);
    const before = await terminal.untilShown(/🔨 {2}long/);
    expect(terminal.modes()).toEqual({ alternate: true, cursor: false });
    const text = before.join('\n');
    expect(text).toContain('x\\x1b[2J\\x1b[31m\\u202etxt 日本語');
    expect(text).toContain('💀 1 dead');
    expect(text).toMatch(/^⏳ {2}idle: nothing waits$/m);

    terminal.keys('Down');
    await terminal.untilShown(/^❯ #1 .*widget/m);
    terminal.keys('Enter');
    await terminal.untilShown(/│ the widget is missing/);
    terminal.keys('Escape');
    await terminal.untilShown(/^❯ #1 .*widget/m);

    writeFileSync(join(place.folder, 'mended'), '');
    terminal.keys('r');
    await terminal.untilShown(/^1 job queued again$/m);
    await terminal.untilShown(/^❯ #1 +completed/m);
    expect(place.json('job', bad.id)[0]).toMatchObject({ state: 'completed', attempts: 2 });
    terminal.keys('r');
    await terminal.untilShown(/it is completed; only failed and cancelled jobs can run again/);

    terminal.keys('p');
    await terminal.untilShown(/^bad is paused/m);
    await terminal.untilShown(/^bad .* paused$/m);
    terminal.keys('p');
    await terminal.untilShown(/^bad goes on/m);

    terminal.type('/');
    terminal.type('running');
    terminal.keys('Enter');
    await terminal.untilShown(/^Jobs \(1\) {2}only: running .*\n❯ #2 +running/m);

    terminal.keys('c');
    await terminal.untilShown(/^Cancel #2 long .* \? y\/n$/m);
    terminal.keys('n');
    await terminal.untilShown(/r retry/);
    expect(place.json('job', '2')[0].state).toBe('running');
    terminal.keys('c');
    await terminal.untilShown(/\? y\/n$/m);
    terminal.keys('y');
    await terminal.untilShown(/it runs: the worker was asked to end it/);
    await terminal.untilShown(/^ {2}none$/m);
    expect(place.json('job', '2')[0].state).toBe('cancelled');

    terminal.keys('q');
    const after = await terminal.untilShown(/ended with 0/);
    expect(after.join('')).toContain('queue; echo');
    expect(after.join('\n')).not.toContain('retry');
    expect(terminal.modes()).toEqual({ alternate: false, cursor: true });
  }, 90_000);

  it('fits into any size that the terminal is given while it is open, with colours and without', async () => {
    const place = project();
    const store = await openStore(join(place.folder, 'state'), 'command', systemClock);
    await admit(
      store,
      Array.from({ length: 5_000 }, (_, n) => ({ key: n % 2 === 0 ? `${n} ${HOSTILE}` : `idea ${n}` })),
    );
    await store.close();
    const terminal = await openQueue(place, 120, 40, { NO_COLOR: '' });
    for (const [columns, rows] of [
      [80, 24],
      [40, 10],
      [20, 5],
      [150, 50],
      [80, 24],
    ] as const) {
      terminal.resize(columns, rows);
      await until(
        () => {
          const shown = terminal.rows();
          // One row stays free, and nothing is left over from another size.
          return shown[0]?.startsWith('⏹') && shown.at(-2)?.endsWith('q quit') && shown.at(-1) === '';
        },
        { describe: () => `${columns}×${rows}:\n${terminal.rows().join('\n')}` },
      );
      expect(terminal.rows()).toHaveLength(rows);
      for (const row of terminal.rows()) expect(textWidth(row)).toBeLessThanOrEqual(columns);
      expect(terminal.rows().filter((row) => row.startsWith('❯'))).toHaveLength(1);
      expect(terminal.rows().filter((row) => row.includes('q quit'))).toHaveLength(1);
    }
    terminal.keys('End');
    await terminal.untilShown(/^❯ +#1 /m);
    terminal.keys('PageUp');
    await terminal.untilShown(/↑ newer {2}↓ older/);
    terminal.keys('Home');
    await terminal.untilShown(/^❯ #5000 /m);
  }, 90_000);

  it('gives the terminal back when it is told to end, and where CI is set it draws all the same', async () => {
    const place = project();
    const terminal = await openQueue(place, 80, 24, { CI: 'true' });
    await terminal.untilShown(/Nothing has run here yet/);
    const pid = screenPid(place.folder);
    process.kill(pid, 'SIGTERM');
    await terminal.untilShown(/ended with 0/);
    expect(terminal.modes()).toEqual({ alternate: false, cursor: true });
  }, 60_000);

  it('is the same as the compiler left it, where the build could not make one file of it', async () => {
    const place = project();
    place.json('add', 'later', '--key', HOSTILE);
    const terminal = await openQueue(place, 80, 24, {}, builtCli('unflattened'));
    await terminal.untilShown(/^❯ #1 +pending +later +x\\x1b\[2J/m);
    terminal.keys('p');
    await terminal.untilShown(/^later is paused/m);
    terminal.keys('Enter');
    await terminal.untilShown(/^Job 1 {2}pending {2}later/m);
    terminal.keys('q');
    await terminal.untilShown(/ended with 0/);
  }, 60_000);

  it('shows a database that comes, breaks and is mended while it is open', async () => {
    const place = project();
    const terminal = await openQueue(place, 80, 24);
    await terminal.untilShown(/Nothing has run here yet/);
    place.json('add', 'later', '--key', 'first of all');
    await terminal.untilShown(/^❯ #1 +pending +later +first of all/m);
    const file = join(place.folder, 'state', 'dogged.db');
    renameSync(file, `${file}.good`);
    writeFileSync(file, 'no database '.repeat(1000));
    await terminal.untilShown(/is damaged/);
    await terminal.untilShown(/^ {2}not known$/m);
    terminal.keys('r', 'Enter');
    renameSync(`${file}.good`, file);
    await terminal.untilShown(/^❯ #1 +pending/m);
  }, 60_000);
});

it('ink is loaded for the live screen alone', () => {
  const place = project();
  place.json('add', 'later');
  const loadedBy = (...args: string[]) => {
    const folder = join(place.folder, `coverage-${args.join('')}`);
    mkdirSync(folder);
    const measured = workplace(place.folder, { NODE_V8_COVERAGE: folder });
    measured.run(...args);
    return readdirSync(folder).flatMap((name) => {
      const { result } = JSON.parse(readFileSync(join(folder, name), 'utf8'));
      return result.map(({ url }: { url: string }) => url) as string[];
    });
  };
  for (const args of [
    ['status'],
    ['queue', '--once'],
    ['queue', '--json'],
    ['queue'],
    ['worker', '--until-idle'],
  ]) {
    const urls = loadedBy(...args);
    expect(urls.some((url) => url.endsWith('/dist/cli.js'))).toBe(true);
    expect(urls.filter((url) => /node_modules\/(ink|react|yoga-layout)\/|watch-queue/.test(url))).toEqual([]);
  }
}, 60_000);

/** The process of ours whose working folder this is, and which shows the queue. */
function screenPid(folder: string): number {
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const words = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0');
      if (
        words[1] === builtCli() &&
        words[2] === 'queue' &&
        readFileSync(`/proc/${name}/environ`, 'utf8').includes(`PWD=${folder}\0`)
      )
        return Number(name);
    } catch (error) {
      // It has ended since it was listed.
      if (!['ENOENT', 'ESRCH', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
  throw new Error('no screen runs there');
}
