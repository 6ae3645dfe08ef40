import { stateFiles } from '../heartbeat/state-files.js';
import { EXIT } from '../job/errors.js';
import { pause } from '../platform/clock.js';
import { painter } from '../view/colour.js';
import { escapeText } from '../view/escape.js';
import { formatLogLine, logLineJson } from '../view/log-lines.js';
import type { CommandModule, CommonOptions } from './command.js';
import { lastLines, linesAfter } from './log-files.js';
import { wholeNumber } from './option-values.js';
import { locateSystem } from './system.js';

interface LogsOptions extends CommonOptions {
  readonly follow?: boolean;
  readonly monitor?: boolean;
  readonly lines: number;
}

const DEFAULT_LINES = 100;
const LOOK_EVERY_MS = 200;

export const logsCommand: CommandModule<LogsOptions> = {
  examples: [
    'dogged logs -f',
    'dogged logs --monitor --lines 20',
    'dogged logs --json | jq "select(.level >= 50)"',
  ],
  configure(command) {
    command
      .option('-f, --follow', 'go on with what is written from now on')
      .option('--monitor', "the health monitor's log instead of the worker's")
      .option('-n, --lines <n>', 'begin with the last so many lines', wholeNumber(0), DEFAULT_LINES);
  },
  async run({ options, output, clock }) {
    const { stateFolder } = await locateSystem(options);
    const files = stateFiles(stateFolder);
    const path = options.monitor === true ? files.monitorLog : files.workerLog;
    const paint = painter(output.colour);
    const show = (lines: readonly string[]) => {
      for (const line of lines) {
        output.jsonText(logLineJson(line));
        output.print(formatLogLine(line, paint));
      }
    };

    let { lines, cursor } = lastLines(path, options.lines);
    if (cursor === null) output.note(`There is no log yet at ${escapeText(path)}`);
    show(lines);
    while (options.follow === true) {
      await pause(clock, LOOK_EVERY_MS);
      ({ lines, cursor } = linesAfter(path, cursor));
      show(lines);
    }
    return EXIT.ok;
  },
};
