import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { runCommandLine } from '../../src/commands/command-line.js';
import { systemClock } from '../../src/platform/clock.js';
import type { Store, StoreUse } from '../../src/store/engine.js';
import { openStore } from '../../src/store/open.js';
import { tempFolder } from '../support/temp-folder.js';

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder with a config, and the command line on it without starting a process for each command. */
export interface Bench {
  readonly folder: string;
  readonly stateFolder: string;
  readonly configFile: string;
  run(...args: string[]): Promise<Ran>;
  /** A command that goes on while the test does: what it has written by now, and its end. */
  begin(...args: string[]): { readonly written: Omit<Ran, 'code'>; readonly ended: Promise<Ran> };
  /** With `--json`; each line of stdout parsed. Fails the test when stdout holds anything else. */
  // biome-ignore lint/suspicious/noExplicitAny: the shapes are what these tests look into
  json(...args: string[]): Promise<any[]>;
  /** Opens the bench's store; closed when the test is over. */
  store(use: StoreUse): Promise<Store>;
}

const CONFIG = `
sources:
  ideas: { log: ./ideas.json, key: title, task: build }
tasks:
  build: { run: [node, -e, "0"], group: { by: project, limit: 2 }, retry: { attempts: 3, backoff: 1s..2s } }
  slow: { run: [node, -e, "0"], concurrency: 1 }
`;

export function bench(config = CONFIG): Bench {
  const folder = tempFolder();
  const stateFolder = join(folder, 'state');
  const configFile = join(folder, 'dogged.config.yaml');
  writeFileSync(configFile, config);
  const begin = (...args: string[]) => {
    const written = { stdout: '', stderr: '' };
    const stream = (name: 'stdout' | 'stderr') => ({
      write(text: string) {
        written[name] += text;
      },
    });
    const streams = { stdout: stream('stdout'), stderr: stream('stderr'), env: {} };
    const ended = runCommandLine([...args, '-c', configFile], streams).then((code) => ({ code, ...written }));
    return { written, ended };
  };
  const run = (...args: string[]) => begin(...args).ended;
  return {
    folder,
    stateFolder,
    configFile,
    run,
    begin,
    async json(...args) {
      const { stdout } = await run(...args, '--json');
      return stdout
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line));
    },
    async store(use) {
      const store = await openStore(stateFolder, use, systemClock);
      onTestFinished(() => store.close());
      return store;
    },
  };
}
