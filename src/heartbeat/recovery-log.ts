import { readFileSync } from 'node:fs';
import { type Clock, isoTime } from '../platform/clock.js';
import { RotatingFile } from '../platform/rotating-file.js';
import { stateFiles } from './state-files.js';

/** One line of `recovery.ndjson`. Each recovery has a line when it begins and one when its outcome is known. */
export interface RecoveryLine {
  readonly at: string;
  /** Ties the lines of one recovery together. */
  readonly recovery: string;
  readonly cause: string;
  readonly evidence: Readonly<Record<string, unknown>>;
  readonly action: string;
  readonly outcome: 'begun' | 'recovered' | 'failed' | 'waiting' | 'gave-up';
  /** From the moment that the cause was noticed; null while it is not over. */
  readonly tookMs: number | null;
}

export type RecoveryEvent = Omit<RecoveryLine, 'at'>;

const SIZE_BYTES = 1_000_000;
const KEEP = 2;

/** Appends to `recovery.ndjson`, rotated so that years of recoveries fill no disk. */
export function openRecoveryLog(stateFolder: string, clock: Clock): (event: RecoveryEvent) => void {
  const file = new RotatingFile({
    path: stateFiles(stateFolder).recovery,
    sizeBytes: SIZE_BYTES,
    keep: KEEP,
  });
  return (event) => {
    const line: RecoveryLine = { at: isoTime(clock.wallMs()) ?? '', ...event };
    file.write(`${JSON.stringify(line)}\n`);
  };
}

/** The lines that can be read, oldest first. A torn one, left by a crash, is passed over. */
export function readRecoveries(stateFolder: string): readonly RecoveryLine[] {
  let content: string;
  try {
    content = readFileSync(stateFiles(stateFolder).recovery, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  return content.split('\n').flatMap((line) => parseLine(line) ?? []);
}

function parseLine(line: string): RecoveryLine | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && 'at' in value ? (value as RecoveryLine) : null;
  } catch {
    // Half a line: the process was killed while it wrote.
    return null;
  }
}
