import { closeSync, fstatSync, openSync, readdirSync, readSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Beat } from '../heartbeat/beat.js';
import { lookAtThread } from '../heartbeat/blocked-thread.js';
import type { Hang } from '../heartbeat/hang-file.js';
import { stateFiles } from '../heartbeat/state-files.js';
import { writeFileAtomic } from '../platform/atomic-file.js';
import { type Clock, isoTime } from '../platform/clock.js';

export interface Scene {
  readonly stateFolder: string;
  readonly clock: Clock;
  readonly pid: number;
  readonly why: string;
  readonly hang: Hang | null;
  readonly beat: Beat | null;
}

const KEPT = 10;
const LOG_TAIL_BYTES = 8 * 1024;

/**
 * Writes down what is to be seen of a worker before anything is done about it: `evidence-TIME.json`, of which the last ten
 * are kept. Returns the file's name, or why there is none: that must keep nobody from restarting what is stuck.
 */
export function takeEvidence({ stateFolder, clock, ...scene }: Scene): string {
  const at = isoTime(clock.wallMs()) ?? '';
  const name = `evidence-${at.replaceAll(':', '-')}.json`;
  try {
    const seen = {
      at,
      ...scene,
      process: lookAtThread(scene.pid),
      log: tailOf(stateFiles(stateFolder).workerLog),
    };
    writeFileAtomic(join(stateFolder, name), `${JSON.stringify(seen, null, 2)}\n`);
    const all = readdirSync(stateFolder).filter((file) => /^evidence-.*\.json$/.test(file));
    for (const old of all.sort().slice(0, -KEPT)) rmSync(join(stateFolder, old), { force: true });
    return name;
  } catch (error) {
    return `none: ${String(error)}`;
  }
}

/** The last whole lines of a file that may be long. */
function tailOf(path: string): readonly string[] {
  const fd = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(LOG_TAIL_BYTES);
    const from = Math.max(0, fstatSync(fd).size - bytes.length);
    const lines = bytes.toString('utf8', 0, readSync(fd, bytes, 0, bytes.length, from)).split('\n');
    return lines.slice(from === 0 ? 0 : 1).filter((line) => line !== '');
  } finally {
    closeSync(fd);
  }
}
