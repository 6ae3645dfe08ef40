import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

interface Posted {
  readonly path: string;
  readonly authorization: string | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: what these tests look into
  readonly body: any;
}

export interface AlertServer {
  readonly port: number;
  readonly posted: readonly Posted[];
  /** How many connections are open. */
  open(): number;
}

/** A real server that gets alerts, and answers them as it is told; left alone with 204. */
export async function alertServer(
  answer: (response: ServerResponse, count: number) => void = (response) => {
    response.writeHead(204).end();
  },
): Promise<AlertServer> {
  const posted: Posted[] = [];
  const server = createServer((request: IncomingMessage, response) => {
    let text = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => {
      text += chunk;
    });
    request.on('end', () => {
      const { authorization } = request.headers;
      posted.push({ path: request.url ?? '', authorization, body: JSON.parse(text) });
      answer(response, posted.length);
    });
  });
  let open = 0;
  server.on('connection', (socket) => {
    open += 1;
    socket.on('close', () => {
      open -= 1;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, posted, open: () => open };
}
