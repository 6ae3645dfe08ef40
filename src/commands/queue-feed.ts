import { statSync } from 'node:fs';
import { join } from 'node:path';
import { DoggedError } from '../job/errors.js';
import type { Clock } from '../platform/clock.js';
import type { Store } from '../store/engine.js';
import { openStore } from '../store/open.js';
import { EMPTY_PAGE, readJobPage } from '../view/queue-monitor/job-page.js';
import type { Action, LookRequest, Notice, QueueLook, QueueMonitorPort } from '../view/queue-monitor/port.js';
import { composeSnapshot, lookAtStore } from '../view/snapshot.js';
import type { CommandModule, CommonOptions, Output } from './command.js';
import { storeProblem } from './system.js';

/**
 * What the live screen shows and does. It keeps the store open for reading, so that it can tell whether anything has
 * changed; after an error, or when the file is another one, it opens it anew.
 */
export class QueueFeed implements QueueMonitorPort {
  readonly #stateFolder: string;
  readonly #options: CommonOptions;
  readonly #clock: Clock;
  #store: { readonly store: Store; readonly inode: number | null } | null = null;

  constructor(stateFolder: string, options: CommonOptions, clock: Clock) {
    this.#stateFolder = stateFolder;
    this.#options = options;
    this.#clock = clock;
  }

  async look({ page, open }: LookRequest): Promise<QueueLook> {
    try {
      const store = await this.#reader();
      const look = await lookAtStore(store, this.#clock.wallMs());
      const [lastFailed = null] = await store.list({ states: ['failed'], limit: 1 });
      return {
        page: await readJobPage(store, page),
        lastFailed,
        open: open === null ? null : await store.get(null, open),
        snapshot: composeSnapshot(this.#stateFolder, look, this.#clock.wallMs()),
      };
    } catch (error) {
      await this.close();
      const snapshot = composeSnapshot(this.#stateFolder, storeProblem(error), this.#clock.wallMs());
      return { snapshot, page: EMPTY_PAGE, lastFailed: null, open: null };
    }
  }

  changed(): boolean {
    try {
      return this.#store?.store.changedElsewhere() ?? false;
    } catch {
      // The next look meets the same error, and tells it.
      return true;
    }
  }

  async act(action: Action): Promise<Notice> {
    const said: string[] = [];
    try {
      const code = await this.#run(action, said);
      return { text: said.join(' · '), isBad: code !== 0 };
    } catch (error) {
      const remedy = error instanceof DoggedError ? ` ${error.remedy}` : '';
      return { text: `${(error as Error).message}${remedy}`, isBad: true };
    }
  }

  async close(): Promise<void> {
    const opened = this.#store;
    this.#store = null;
    await opened?.store.close();
  }

  async #run(action: Action, said: string[]): Promise<number> {
    const operand = 'job' in action ? action.job : action.task;
    const command = await COMMANDS[action.verb]();
    const output = listenTo(said);
    return command.run({ args: [operand], options: this.#options, output, clock: this.#clock });
  }

  async #reader(): Promise<Store> {
    const inode = statSync(join(this.#stateFolder, 'dogged.db'), { throwIfNoEntry: false })?.ino ?? null;
    if (this.#store !== null && this.#store.inode !== inode) await this.close();
    this.#store ??= { store: await openStore(this.#stateFolder, 'read', this.#clock), inode };
    return this.#store.store;
  }
}

/** Loaded when a key asks for it: most who look change nothing. */
const COMMANDS: Readonly<Record<Action['verb'], () => Promise<CommandModule>>> = {
  retry: async () => (await import('./retry.js')).retryCommand,
  cancel: async () => (await import('./cancel.js')).cancelCommand,
  pause: async () => (await import('./pause.js')).pauseCommand,
  resume: async () => (await import('./resume.js')).resumeCommand,
};

/** Takes down what a command says instead of printing it into the picture. */
function listenTo(said: string[]): Output {
  const listen = (text: string) => void said.push(text.trim());
  const ignore = () => undefined;
  return {
    print: listen,
    note: listen,
    json: ignore,
    jsonText: ignore,
    draw: ignore,
    colour: false,
    interactive: false,
    columns: Number.POSITIVE_INFINITY,
  };
}
