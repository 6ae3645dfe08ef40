import { EXIT } from '../job/errors.js';
import { pause } from '../platform/clock.js';
import type { JobSummary } from '../store/read-contract.js';
import { queueScreen } from '../view/queue-screen.js';
import { snapshotJson } from '../view/snapshot-json.js';
import type { CommandCall, CommandModule, CommonOptions } from './command.js';
import { layoutFor } from './layout.js';
import { locateSystem, lookAtSystem } from './system.js';

interface QueueOptions extends CommonOptions {
  readonly once?: boolean;
}

const LINE_SHOWN = 5;
const REFRESH_MS = 1_000;

/** Drawn over the last picture, line by line: clearing the whole screen first would make it flicker. */
const HOME = '\x1b[H';
const CLEAR_LINE_END = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';
const CLEAR_SCREEN = '\x1b[2J';
const FOOT = ['', 'q quits'];

export const queueCommand: CommandModule<QueueOptions> = {
  examples: [
    'dogged queue          # refreshed every second, until q or Ctrl-C',
    'dogged queue --once   # once, as plain text',
  ],
  configure(command) {
    command.option('--once', 'print it once and end; also what happens without a terminal');
  },
  async run(call) {
    const { options, output } = call;
    if (output.interactive && options.once !== true && process.stdin.isTTY) return watch(call);
    output.print((await look(call, null)).join('\n'));
    return EXIT.ok;
  },
};

async function look(
  { options, output, clock }: CommandCall<QueueOptions>,
  rows: number | null,
): Promise<string[]> {
  const { stateFolder } = await locateSystem(options);
  const none = { next: [] as readonly JobSummary[], failed: [] as readonly JobSummary[] };
  const { snapshot, extras } = await lookAtSystem(stateFolder, clock, none, async (store) => ({
    next: await store.nextInLine(LINE_SHOWN),
    failed: await store.list({ states: ['failed'], limit: LINE_SHOWN }),
  }));
  output.json(snapshotJson(snapshot));
  return queueScreen(snapshot, extras, layoutFor(options, output), rows);
}

async function watch(call: CommandCall<QueueOptions>): Promise<number> {
  const { output, clock } = call;
  const quit = new AbortController();
  const onKey = (key: Buffer) => {
    // In raw mode Ctrl-C is a character like any other.
    if (key.includes('q') || key.includes(0x03)) quit.abort();
  };
  process.stdin.setRawMode(true).resume().on('data', onKey);
  output.draw(CLEAR_SCREEN);
  try {
    while (!quit.signal.aborted) {
      const rows = process.stdout.rows;
      output.draw(picture(await look(call, rows ? Math.max(1, rows - FOOT.length) : null)));
      await pause(clock, REFRESH_MS, quit.signal);
    }
    return EXIT.ok;
  } finally {
    process.stdin.off('data', onKey).setRawMode(false).pause();
    output.draw('\n');
  }
}

/** The way out stands in the last line. */
function picture(lines: readonly string[]): string {
  return HOME + [...lines, ...FOOT].map((line) => line + CLEAR_LINE_END).join('\n') + CLEAR_BELOW;
}
