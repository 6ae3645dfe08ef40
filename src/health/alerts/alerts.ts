import { rmSync, statfsSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import type { Beat } from '../../heartbeat/beat.js';
import type { Settings } from '../../heartbeat/settings.js';
import { stateFiles } from '../../heartbeat/state-files.js';
import { writeFileAtomic } from '../../platform/atomic-file.js';
import type { Clock } from '../../platform/clock.js';
import { sizeText } from '../../platform/duration-text.js';
import { pressureOn } from '../../policy/pressure.js';
import type { MonitorLog } from '../monitor-log.js';
import type { RecoveryListener } from '../recovery.js';
import { labelOf } from './alert.js';
import { type AlertBook, type AlertRecord, readAlertBook } from './alert-book.js';
import { AlertOutbox } from './alert-outbox.js';
import { deliver } from './deliver.js';
import {
  type AlertMemory,
  BLANK_MEMORY,
  type Noticed,
  noticeBeat,
  noticeDisk,
  noticeTrouble,
  noticeWell,
} from './notice.js';

export interface AlertsOptions {
  readonly stateFolder: string;
  readonly clock: Clock;
  readonly log: MonitorLog;
}

/** The monitor looks at the disk itself, in case that there is no worker to do so. */
const DISK_EVERY_MS = 30_000;
/** A monitor that is told to end gives what is under way so long. */
const CLOSE_WITHIN_MS = 2_000;

/**
 * Tells whom the config names of what the monitor does and of what the worker's beats say. Nothing here waits: each alert is
 * sent beside the watch. Without alerts in the config it does and keeps nothing.
 */
export class Alerts implements RecoveryListener {
  readonly #options: AlertsOptions;
  readonly #path: string;
  #settings: Settings | null = null;
  #outboxes: readonly AlertOutbox[] = [];
  #memory: AlertMemory = BLANK_MEMORY;
  #beat: Beat | null = null;
  #written = '';
  #cannotWrite = false;
  #cancelTimer: (() => void) | null = null;

  constructor(options: AlertsOptions) {
    this.#options = options;
    this.#path = stateFiles(options.stateFolder).alerts;
  }

  /** The settings of the worker that is watched, and its last beat. Cheap while neither is new. */
  see(beat: Beat | null, settings: Settings): void {
    if (settings !== this.#settings) this.#follow(settings);
    if (beat === null || this.#outboxes.length === 0) return;
    if (beat.nonce === this.#beat?.nonce && beat.seq === this.#beat.seq) return;
    this.#beat = beat;
    this.#notice(noticeBeat(this.#memory, beat, this.#nowMs()));
    this.#lookAtDisk();
  }

  trouble(outcome: 'stuck' | 'gave-up', what: string): void {
    this.#notice(noticeTrouble(this.#memory, outcome, what, this.#nowMs()));
  }

  well(workerPid: number): void {
    this.#notice(noticeWell(this.#memory, workerPid, this.#nowMs()));
  }

  /** Waits two seconds at most. What was not sent is kept for the next monitor. */
  async close(): Promise<void> {
    this.#cancelTimer?.();
    await Promise.all(this.#outboxes.map((outbox) => outbox.close(CLOSE_WITHIN_MS)));
    this.#save();
    this.#outboxes = [];
  }

  #follow(settings: Settings): void {
    const before = this.#settings;
    this.#settings = settings;
    if (before !== null && partOf(before) === partOf(settings)) return;
    const { alerts = [], configFile } = settings;
    const records = before === null ? this.#readRecords() : this.#outboxes.map((outbox) => outbox.record());
    for (const outbox of this.#outboxes) void outbox.close(0);
    this.#cancelTimer?.();
    if (alerts.length === 0) {
      this.#outboxes = [];
      this.#forget();
      return;
    }
    this.#outboxes = alerts.map((alert, index) => {
      const record = records[index];
      return new AlertOutbox({
        ...this.#options,
        alert,
        place: { host: hostname(), configFile },
        folder: dirname(configFile),
        deliver,
        onChange: () => this.#save(),
        before: record?.label === labelOf(alert) ? record : null,
      });
    });
    this.#lookAtDisk();
  }

  #readRecords(): readonly AlertRecord[] {
    const file = readAlertBook(this.#options.stateFolder);
    if (file.status === 'invalid')
      this.#options.log.error(`${this.#path} cannot be read, alerts begin anew: ${file.why}`);
    if (file.status !== 'read') return [];
    this.#memory = file.content.memory;
    return file.content.records;
  }

  /** Who has no alerts today and some tomorrow is told of tomorrow only. */
  #forget(): void {
    this.#memory = BLANK_MEMORY;
    this.#beat = null;
    this.#written = '';
    try {
      rmSync(this.#path, { force: true });
    } catch (error) {
      this.#options.log.error(`${this.#path} could not be removed: ${String(error)}`);
    }
  }

  readonly #lookAtDisk = (): void => {
    this.#cancelTimer?.();
    this.#cancelTimer = this.#options.clock.after(DISK_EVERY_MS, this.#lookAtDisk, { background: true });
    this.#notice(noticeDisk(this.#memory, this.#whyDiskIsLow(), this.#nowMs()));
  };

  /** What the database was refused only a worker can tell; how much is free, the monitor sees as well as the worker does. */
  #whyDiskIsLow(): string | null {
    if (this.#beat?.storage !== undefined) return this.#beat.storage;
    const { stateFolder } = this.#options;
    const diskFreeBytes = this.#freeBytes();
    const isLow =
      pressureOn(
        { memoryUsed: null, diskFreeBytes },
        { memoryAbove: null, diskBelowBytes: this.#settings?.diskBelowBytes ?? null },
        this.#memory.diskLow ? 'disk' : null,
      ) === 'disk';
    if (!isLow || diskFreeBytes === null) return null;
    return `only ${sizeText(diskFreeBytes)} free on the disk of ${stateFolder}: no further job is begun (disk.pauseBelow)`;
  }

  #freeBytes(): number | null {
    try {
      const { bavail, bsize } = statfsSync(this.#options.stateFolder);
      return bavail * bsize;
    } catch (error) {
      this.#options.log.error(`the free space could not be read: ${String(error)}`);
      return null;
    }
  }

  #notice({ memory, events }: Noticed): void {
    if (this.#outboxes.length === 0 || memory === this.#memory) return;
    this.#memory = memory;
    for (const event of events) {
      for (const outbox of this.#outboxes) outbox.put(event);
    }
    this.#save();
  }

  /** A change that could not be written is kept in memory alone, and said once. */
  #save(): void {
    if (this.#outboxes.length === 0) return;
    const records = this.#outboxes.map((outbox) => outbox.record());
    const book: AlertBook = { schema: 1, memory: this.#memory, records };
    const content = `${JSON.stringify(book)}\n`;
    if (content === this.#written) return;
    try {
      writeFileAtomic(this.#path, content);
      this.#written = content;
      this.#cannotWrite = false;
    } catch (error) {
      if (!this.#cannotWrite)
        this.#options.log.error(`what was alerted cannot be written down: ${String(error)}`);
      this.#cannotWrite = true;
    }
  }

  #nowMs(): number {
    return this.#options.clock.wallMs();
  }
}

/** What matters here of the settings, as one text. */
function partOf({ alerts = [], configFile, diskBelowBytes = null }: Settings): string {
  return JSON.stringify([alerts, configFile, diskBelowBytes]);
}
