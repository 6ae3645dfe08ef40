import { wantsColour } from '../view/colour.js';
import { escapeJson } from '../view/escape.js';
import type { Output } from './command.js';

/** What a command writes to: the process's own streams, or a test's. */
export interface Streams {
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly env: NodeJS.ProcessEnv;
}

export interface OutputStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** Wide enough that `dogged jobs | grep TITLE` finds most titles whole. */
const COLUMNS_WITHOUT_TERMINAL = 120;

export function createOutput({ stdout, stderr, env }: Streams, asJson: boolean): Output {
  const isTerminal = stdout.isTTY === true;
  const ignore = () => undefined;
  return {
    print: asJson ? ignore : (text) => void stdout.write(`${text}\n`),
    draw: asJson ? ignore : (text) => void stdout.write(text),
    json: asJson ? (value) => void stdout.write(`${escapeJson(JSON.stringify(value))}\n`) : ignore,
    jsonText: asJson ? (text) => void stdout.write(`${escapeJson(text)}\n`) : ignore,
    note: (text) => void stderr.write(`${text}\n`),
    colour: !asJson && wantsColour(env, isTerminal),
    interactive: !asJson && isTerminal,
    // Asked anew each time: a terminal may be resized while a screen is drawn again and again.
    get columns() {
      return stdout.columns || Number(env['COLUMNS']) || COLUMNS_WITHOUT_TERMINAL;
    },
  };
}
