import { lstat, open, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Clock, pause } from '../platform/clock.js';
import type { Log } from '../platform/log.js';
import type { MetricsOutlet } from './endpoint.js';

/** node_exporter runs as another user. */
const MODE = 0o644;
/** A stop does not wait for a disk that does not answer. */
const STOP_PATIENCE_MS = 1_000;

/**
 * Writes the metrics to a file now and with every beat, for the textfile collector of node_exporter: whole, by renaming. A stop
 * in order removes it; a worker that was killed leaves it, and its timestamp says how old it is. A file that is not
 * of this very config is never touched. Unlike the heartbeat it is not forced to the disk: after a power cut it is written anew.
 */
export function createTextfile(options: {
  readonly path: string;
  readonly configFile: string;
  readonly everyMs: number;
  readonly text: () => Promise<string>;
  readonly clock: Clock;
  readonly log: Log;
  /** The problem is another one than before. */
  readonly onChange: () => void;
}): MetricsOutlet {
  const { path, configFile, everyMs, text, clock, log, onChange } = options;
  const mark = `# Metrics of dogged for ${JSON.stringify(configFile)}:`;
  const temp = join(dirname(path), `.${basename(path)}.tmp`);
  let problem: string | null = null;
  let stopped = false;
  let isOurs = false;
  let writing: Promise<void> = Promise.resolve();
  let cancelTimer: () => void = () => undefined;

  const setProblem = (next: string | null) => {
    if (next === problem) return;
    if (next !== null) log.warn({ path }, `metrics: ${next}; it is tried again with every beat`);
    else log.info({ path }, `metrics: ${path} is written again`);
    problem = next;
    onChange();
  };

  const write = async () => {
    const content = `${mark} written anew with every beat, and removed at a stop.\n${await text()}`;
    if (!(await mayReplace(path, mark))) {
      return setProblem(
        `${path} is there and not written by this dogged: it is left alone; name another file, or remove it`,
      );
    }
    await rm(temp, { force: true });
    const file = await open(temp, 'wx', MODE);
    try {
      await file.writeFile(content);
      // Whatever the umask is.
      await file.chmod(MODE);
    } finally {
      await file.close();
    }
    if (stopped) return rm(temp, { force: true });
    isOurs = true;
    await rename(temp, path);
    setProblem(null);
  };

  const writeOnTime = async () => {
    writing = write().catch((error: NodeJS.ErrnoException) => {
      setProblem(`${path} cannot be written (${error.code ?? error.message})`);
    });
    await writing;
    if (!stopped) cancelTimer = clock.after(everyMs, () => void writeOnTime(), { background: true });
  };

  const remove = async () => {
    await writing;
    if (!isOurs) return;
    try {
      if (await mayReplace(path, mark)) await rm(path, { force: true });
    } catch (error) {
      log.warn({ err: error, path }, `metrics: ${path} could not be removed`);
    }
  };

  return {
    start: () => void writeOnTime(),
    async stop() {
      stopped = true;
      cancelTimer();
      const removed = new AbortController();
      await Promise.race([remove(), pause(clock, STOP_PATIENCE_MS, removed.signal)]);
      removed.abort();
    },
    problem: () => problem,
  };
}

/** Nothing is there, or what an earlier write of the same config has left. */
async function mayReplace(path: string, mark: string): Promise<boolean> {
  try {
    return (await lstat(path)).isFile() && (await readFile(path, 'utf8')).startsWith(mark);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return true;
    throw error;
  }
}
