import { closeSync, existsSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs';

export interface LogFile {
  readonly path: string;
  /** The file is rotated before a line would take it past this. */
  readonly sizeBytes: number;
  /** How many rotated files (`.1` is the newest) are kept beside the current one. */
  readonly keep: number;
}

/**
 * Appends whole lines to a file and rotates it by size. Synchronous, so that the last line before a crash is
 * there; a full disk must not end the worker, so a write that fails is counted and said with the next that succeeds.
 *
 * Apart from the logger, which weighs 8 MiB: the monitor writes its few lines without it.
 */
export class RotatingFile {
  readonly #file: LogFile;
  #fd: number;
  #sizeBytes: number;
  #lost = 0;

  constructor(file: LogFile) {
    this.#file = file;
    this.#fd = openSync(file.path, 'a', 0o600);
    this.#sizeBytes = fstatSync(this.#fd).size;
  }

  write(line: string): void {
    try {
      const bytes = Buffer.byteLength(line);
      if (this.#sizeBytes > 0 && this.#sizeBytes + bytes > this.#file.sizeBytes) this.#rotate();
      if (this.#lost > 0) {
        writeSync(
          this.#fd,
          `${JSON.stringify({ level: 50, msg: `${this.#lost} log lines could not be written` })}\n`,
        );
        this.#lost = 0;
      }
      writeSync(this.#fd, line);
      this.#sizeBytes += bytes;
    } catch {
      this.#lost += 1;
    }
  }

  #rotate(): void {
    const { path, keep } = this.#file;
    for (let n = keep - 1; n >= 1; n -= 1) {
      if (existsSync(`${path}.${n}`)) renameSync(`${path}.${n}`, `${path}.${n + 1}`);
    }
    if (keep > 0) renameSync(path, `${path}.1`);
    const next = openSync(path, keep > 0 ? 'a' : 'w', 0o600);
    closeSync(this.#fd);
    this.#fd = next;
    this.#sizeBytes = 0;
  }
}
