import { connect, createServer } from 'node:net';

export interface LifeLine {
  close(): void;
}

/**
 * Opens the worker's life line: a socket that the kernel closes when this process ends, in whichever way. Who is
 * connected to it learns of the end at once, without polling.
 *
 * The name is in Linux's abstract space: no file that could go stale, no limit on the length of the state folder's
 * path, and nobody can take it first, since it is made of the worker's nonce. Resolves to null where the system has no
 * such sockets: a watcher then finds out by looking at `/proc` once a second.
 */
export function createLifeLine(nonce: string): Promise<LifeLine | null> {
  return new Promise((resolve) => {
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.resume();
      socket.unref();
    });
    server.maxConnections = 8;
    server.unref();
    // Later errors (no descriptor left to accept with) cost a watcher its quick news, and nothing else.
    server.on('error', () => resolve(null));
    server.listen(nameOf(nonce), () => resolve({ close: () => server.close() }));
  });
}

/**
 * Calls `onLost` once: when the process that owns this life line ends, or when there is none to connect to. The caller
 * must then look for itself whether the process is gone. Close it to hear nothing more.
 */
export function watchLifeLine(nonce: string, onLost: () => void): LifeLine {
  const socket = connect(nameOf(nonce));
  let told = false;
  // After an error always comes a close: one place to tell from.
  socket.on('error', () => socket.destroy());
  socket.on('close', () => {
    if (told) return;
    told = true;
    onLost();
  });
  socket.resume();
  return {
    close() {
      told = true;
      socket.destroy();
    },
  };
}

function nameOf(nonce: string): string {
  return `\0dogged-life-${nonce}`;
}
