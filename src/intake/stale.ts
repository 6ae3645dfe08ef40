import { type Reject, rejectOf } from './judge.js';
import type { LogReading, ReadingParts } from './log-reading.js';
import type { Generation } from './log-rotation.js';
import type { WalkEnd } from './log-walk.js';
import type { OpenFile } from './open-file.js';
import { type Refusal, refuse } from './refusal.js';
import { encodeStamp } from './stamp.js';
import { readWindow, WINDOW_BYTES } from './window.js';

/** The refusal of what stands at a log's cursor, and has stood there unfinished or broken for too long. */
export function staleReject(parts: ReadingParts, reading: LogReading, end: WalkEnd, file: OpenFile): Reject {
  const offset = reading.stuckAt;
  const lengthBytes = file.sizeBytes - offset;
  const bytes = readWindow(parts.files, file.fd, offset, Math.min(WINDOW_BYTES, lengthBytes));
  const line = reading.format === 'ndjson' ? reading.lines + 1 : reading.lineOf(offset);
  return rejectOf(refusalOf(end, reading), { path: parts.path, line, offset, lengthBytes }, bytes);
}

/** Said once for each generation that cannot be read; `gap` is what shows that there is one. */
export function gapReject({ path, stamp }: Generation): Reject {
  const refusal = refuse(
    'gap',
    'its log was rotated while nobody looked, and a generation is packed or gone: its last records may be missing',
    'unpack it and append its last records to the log: those that are known do not run again',
  );
  const place = { path, line: null, offset: 0, lengthBytes: 0 };
  return rejectOf(refusal, place, Buffer.from(encodeStamp(stamp)));
}

function refusalOf(end: WalkEnd, reading: LogReading): Refusal {
  if (end === 'broken') {
    const detail = reading.brokenBecause ?? 'what stands here cannot follow in an array';
    return refuse('json', detail, 'mend the JSON here: the records after it are read as soon as it is valid');
  }
  return reading.format === 'ndjson'
    ? refuse(
        'unfinished',
        'the last line has no newline and is not valid JSON',
        'finish the line, or remove it',
      )
    : refuse('unfinished', 'the array ends before its closing bracket', 'finish the last record and add "]"');
}
