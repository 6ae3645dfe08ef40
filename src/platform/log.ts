import pino, { type Logger } from 'pino';
import { type LogFile, RotatingFile } from './rotating-file.js';

export type Log = Logger;

/** JSON lines (pino) with ISO times. Without a file they go to stderr: stdout belongs to what was asked for. */
export function createLog(level: string, file?: LogFile): Log {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  return file
    ? pino(options, new RotatingFile(file))
    : pino(options, pino.destination({ fd: 2, sync: true }));
}
