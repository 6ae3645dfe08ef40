/*
 * The program of a module task's children: node module-host.js MODULE. Reads requests from stdin, calls the module's
 * default export, writes answers to stdout. Imports nothing of the rest, so that it starts as quickly as Node does.
 */
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import type { ModuleContext, ModuleHandler } from './module-context.js';

interface Request extends Omit<ModuleContext, 'jobId' | 'signal' | 'progress'> {
  readonly id: string;
  readonly payload: unknown;
}

/** As a shell says it of a program that cannot be found or read: the worker holds it against the task, not the job. */
const EXIT_NOT_LOADABLE = 127;

// Stdout belongs to the answers: whatever the module prints goes to stderr, and with the job into its history.
Object.defineProperty(process, 'stdout', { get: () => process.stderr });

const handler = await loadHandler(process.argv[2] ?? '');
const stopping = new AbortController();
const running = new Set<Promise<void>>();

process.on('SIGTERM', () => {
  stopping.abort();
  void endWhenIdle();
});
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const work = run(JSON.parse(line) as Request).finally(() => running.delete(work));
    running.add(work);
  })
  .on('close', () => void endWhenIdle());

async function run({ id, payload, ...request }: Request): Promise<void> {
  const { attempt } = request;
  const context: ModuleContext = {
    ...request,
    jobId: id,
    signal: stopping.signal,
    progress: (percent) => say({ id, attempt, progress: percent }),
  };
  try {
    say({ id, attempt, ok: true, result: await handler(payload, context) });
  } catch (error) {
    const { retry, unavailable, message } = Object(error) as Record<string, unknown>;
    console.error(error);
    say({ id, attempt, ok: false, error: message ?? String(error), retry, unavailable });
  }
}

/** Blocks while the pipe is full: the worker reads, or this process has no reason to live. */
function say(message: object): void {
  const bytes = Buffer.from(`${JSON.stringify(message)}\n`);
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(1, bytes, done);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    }
  }
}

async function endWhenIdle(): Promise<void> {
  await Promise.allSettled(running);
  process.exit(0);
}

async function loadHandler(path: string): Promise<ModuleHandler> {
  try {
    const module = (await import(pathToFileURL(path).href)) as { default?: unknown };
    if (typeof module.default === 'function') return module.default as ModuleHandler;
    console.error(`${path} has no default export that is a function`);
  } catch (error) {
    console.error(error);
  }
  process.exit(EXIT_NOT_LOADABLE);
}
