import type { Paint, Style } from './colour.js';
import { escapeJson, escapeLines, escapeText } from './escape.js';

const LEVELS: readonly (readonly [from: number, name: string, style: Style])[] = [
  [60, 'FATAL', 'red'],
  [50, 'ERROR', 'red'],
  [40, 'WARN', 'yellow'],
  [30, 'INFO', 'green'],
  [20, 'DEBUG', 'dim'],
  [0, 'TRACE', 'dim'],
];

/** Told in other ways, or the same in every line. */
const NOT_SHOWN = new Set(['level', 'time', 'msg', 'err', 'pid', 'hostname', 'v']);

/**
 * One line of a log for people: `12:00:05 INFO  message  name=value`. A line that is no JSON object (a stack that Node
 * wrote, a start message of the shell) is shown as it is, escaped.
 */
export function formatLogLine(line: string, paint: Paint): string {
  const entry = parseEntry(line);
  if (entry === null) return escapeText(line);
  const [, name, style] = levelOf(entry['level']);
  const head = `${paint(timeText(entry['time']), 'dim')} ${paint(name.padEnd(5), style)} `;
  const message = typeof entry['msg'] === 'string' ? escapeText(entry['msg']) : '';
  const fields = Object.entries(entry)
    .filter(([field]) => !NOT_SHOWN.has(field))
    .map(([field, value]) => paint(`${escapeText(field)}=`, 'dim') + valueText(value));
  return [head + message, ...fields].join('  ').trimEnd() + errorText(entry['err'], paint);
}

/** One line of a log for machines: always one JSON object. */
export function logLineJson(line: string): string {
  return parseEntry(line) === null ? JSON.stringify({ msg: line }) : line;
}

function parseEntry(line: string): Record<string, unknown> | null {
  if (!line.startsWith('{')) return null;
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    // Half a line, from a write that was cut off: shown as text.
    return null;
  }
}

function levelOf(level: unknown): (typeof LEVELS)[number] {
  const number = typeof level === 'number' ? level : 30;
  return LEVELS.find(([from]) => number >= from) ?? [0, 'TRACE', 'dim'];
}

/** Local time: whoever reads a log asks what happened at ten to nine. */
function timeText(time: unknown): string {
  const date = new Date(typeof time === 'string' || typeof time === 'number' ? time : Number.NaN);
  if (Number.isNaN(date.getTime())) return '-'.padEnd(19);
  const two = (value: number) => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

function valueText(value: unknown): string {
  if (typeof value === 'string')
    return /^[\w./:@+-]+$/.test(value) ? value : escapeJson(JSON.stringify(value));
  return escapeJson(JSON.stringify(value) ?? '');
}

function errorText(error: unknown, paint: Paint): string {
  if (typeof error !== 'object' || error === null) return '';
  const { stack, message } = error as { stack?: unknown; message?: unknown };
  const text = typeof stack === 'string' && stack !== '' ? stack : message;
  if (typeof text !== 'string') return '';
  return escapeLines(text)
    .split('\n')
    .map((line) => `\n    ${paint(line.trimEnd(), 'dim')}`)
    .join('');
}
