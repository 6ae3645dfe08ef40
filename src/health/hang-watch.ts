import { type FoundHang, hangFiles, readHang } from '../heartbeat/hang-file.js';
import { readProcessStat } from '../platform/process-identity.js';

/** Looks for what the hang guard of one worker has written. */
export interface HangWatch {
  /** The hang in which that worker stands now; null when it turns, or when nothing could be done about it. */
  look(nonce: string, pid: number): FoundHang | null;
}

export function createHangWatch(stateFolder: string): HangWatch {
  /** Files of other workers, and of hangs that are over: neither changes any more. */
  const settled = new Set<string>();
  return {
    look(nonce, pid) {
      for (const name of hangFiles(stateFolder)) {
        if (settled.has(name)) continue;
        const hang = readHang(stateFolder, name);
        if (hang === null) continue;
        if (hang.nonce !== nonce || hang.overAfterMs !== null) settled.add(name);
        // Inside the kernel, on a slow disk, it cannot be killed, and may well come back: its beat decides.
        else if (readProcessStat(pid)?.state !== 'D') return hang;
      }
      return null;
    },
  };
}
