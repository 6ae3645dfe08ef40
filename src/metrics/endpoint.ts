import { createServer, type RequestListener, type Server } from 'node:http';
import type { MetricsConfig } from '../config/config.js';
import type { Clock } from '../platform/clock.js';
import type { Log } from '../platform/log.js';
import { CONTENT_TYPE } from './render.js';

export interface MetricsOutlet {
  start(): void;
  stop(): Promise<void>;
  /** Why it cannot be told there now; null when it can. */
  problem(): string | null;
}

/** A scraper comes every few seconds, and a person now and then. */
const MOST_CONNECTIONS = 8;
/** From the first byte of a request to the last one of its answer, whoever dawdles. */
const LONGEST_MS = 10_000;
const LONGEST_HEADERS_BYTES = 8_192;
const TRY_AGAIN_MS = 5_000;

const CAUSES: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program has this port',
  EADDRNOTAVAIL: 'this machine does not have this address',
  EACCES: 'this user may not open this port',
};

/**
 * Serves GET /metrics, and nothing else. A connection is one request with one answer, and ends after `LONGEST_MS` in any case;
 * further ones are turned away while there are many. A port that is taken is tried again and again.
 */
export function createEndpoint(options: {
  readonly listen: NonNullable<MetricsConfig['listen']>;
  readonly text: () => Promise<string>;
  readonly clock: Clock;
  readonly log: Log;
  /** The problem is another one than before. */
  readonly onChange: () => void;
}): MetricsOutlet {
  const { listen, text, clock, log, onChange } = options;
  const { host, port } = listen;
  const address = addressText(listen);
  let server: Server | null = null;
  let stopped = false;
  let cancelRetry: () => void = () => undefined;
  let problem: string | null = null;

  const setProblem = (next: string | null) => {
    if (next === problem) return;
    if (next !== null)
      log.warn({ address }, `metrics: ${next}; it is tried again every ${TRY_AGAIN_MS / 1000} s`);
    else log.info({ address }, `metrics: http://${address}/metrics is served now`);
    problem = next;
    onChange();
  };

  const answer: RequestListener = (request, response) => {
    const say = (status: number, body: string, type = 'text/plain; charset=utf-8') => {
      const headers = { 'Content-Type': type, 'Cache-Control': 'no-store', Connection: 'close' };
      response.writeHead(status, status === 405 ? { ...headers, Allow: 'GET' } : headers).end(body);
    };
    // A body that somebody sends is nobody's business.
    request.resume();
    if (request.url?.split('?')[0] !== '/metrics') return say(404, 'Only /metrics is here.\n');
    if (request.method !== 'GET') return say(405, 'Only GET is answered.\n');
    text().then(
      (body) => say(200, body, CONTENT_TYPE),
      (error: unknown) => {
        log.error({ err: error }, 'metrics: they could not be written');
        say(500, 'They could not be written: the log says why.\n');
      },
    );
  };

  const open = () => {
    const opened = createServer({ maxHeaderSize: LONGEST_HEADERS_BYTES }, answer);
    server = opened;
    opened.maxConnections = MOST_CONNECTIONS;
    opened.unref();
    opened.on('connection', (socket) => {
      const cancel = clock.after(LONGEST_MS, () => socket.destroy(), { background: true });
      socket.on('close', cancel);
    });
    opened.on('error', (error: NodeJS.ErrnoException) => {
      setProblem(`${address}: ${CAUSES[error.code ?? ''] ?? error.message}`);
      opened.close();
      if (!stopped) cancelRetry = clock.after(TRY_AGAIN_MS, open, { background: true });
    });
    opened.listen({ host, port, exclusive: true }, () => setProblem(null));
  };

  return {
    start: open,
    async stop() {
      stopped = true;
      cancelRetry();
      server?.close();
      server?.closeAllConnections();
    },
    problem: () => problem,
  };
}

function addressText({ host, port }: NonNullable<MetricsConfig['listen']>): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
