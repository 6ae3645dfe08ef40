import type { Readable } from 'node:stream';
import type { Clock } from '../platform/clock.js';

/** A child that writes without end must not take all our time: 100 MB a second is plenty for output that is not kept. */
const BURST_BYTES = 1_048_576;
const REST_MS = 10;

/** Reads all that a child writes, with a rest after each burst. */
export function readThrottled(stream: Readable, clock: Clock, onChunk: (chunk: Buffer) => void): void {
  let burstBytes = 0;
  stream.on('data', (chunk: Buffer) => {
    onChunk(chunk);
    burstBytes += chunk.length;
    if (burstBytes < BURST_BYTES) return;
    burstBytes = 0;
    stream.pause();
    clock.after(REST_MS, () => stream.resume());
  });
}
