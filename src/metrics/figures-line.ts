import { connect, createServer } from 'node:net';
import { parseStateFile } from '../heartbeat/read-state-file.js';
import type { Clock } from '../platform/clock.js';
import { checkWorkerFigures, type WorkerFigures } from './worker-figures.js';

export interface FiguresLine {
  close(): void;
}

const MOST_AT_ONCE = 4;
const LONGEST_MS = 1_000;
const LARGEST_BYTES = 8 * 1024 * 1024;

/**
 * Answers whoever connects with the worker's figures as one line of JSON. Like the life line it is a socket in Linux's
 * abstract space, named by the worker's nonce: no file goes stale, and only who may read the state folder knows the name.
 * `onError`: there is none, or none any more.
 */
export function serveFigures(
  nonce: string,
  read: () => WorkerFigures,
  clock: Clock,
  onError: (error: Error) => void,
): FiguresLine {
  const server = createServer((socket) => {
    const cancel = clock.after(LONGEST_MS, () => socket.destroy(), { background: true });
    socket.on('close', cancel);
    socket.on('error', () => socket.destroy());
    socket.resume();
    socket.end(`${JSON.stringify(read())}\n`);
  });
  server.maxConnections = MOST_AT_ONCE;
  server.unref();
  server.on('error', onError);
  server.listen(nameOf(nonce));
  return { close: () => void server.close() };
}

/** What the worker with this nonce tells; else why it does not: it has ended, stands still, or is of another version. */
export function askFigures(
  nonce: string,
  clock: Clock,
): Promise<{ readonly figures: WorkerFigures } | { readonly figures: null; readonly why: string }> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let sizeBytes = 0;
    const socket = connect(nameOf(nonce));
    const finish = (why: string | null) => {
      cancel();
      socket.destroy();
      if (why !== null) return resolve({ figures: null, why });
      const text = Buffer.concat(chunks).toString();
      const answer = parseStateFile<WorkerFigures>(() => text, checkWorkerFigures);
      if (answer.status === 'read') resolve({ figures: answer.content });
      else resolve({ figures: null, why: answer.status === 'invalid' ? answer.why : 'nothing came' });
    };
    const cancel = clock.after(LONGEST_MS, () => finish(`no answer within ${LONGEST_MS / 1000} s`));
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      sizeBytes += chunk.length;
      if (sizeBytes > LARGEST_BYTES) finish('its answer is too long');
    });
    socket.on('error', (error) => finish(error.message));
    socket.on('end', () => finish(null));
  });
}

function nameOf(nonce: string): string {
  return `\0dogged-metrics-${nonce}`;
}
