import type { Clock } from '../platform/clock.js';
import type { Log } from '../platform/log.js';

/** A file that is waited for longer than this is named. */
const WAIT_NOTICE_MS = 1_000;

/** Names each file that is waited for: once, and only when a few more looks have not settled it. */
export function createWaitNotice(
  sources: () => readonly { readonly name: string; readonly waitingPath: string | null }[],
  clock: Clock,
  log: Log,
): () => void {
  const sinceMs = new Map<string, number>();
  return () => {
    const nowMs = clock.monotonicMs();
    for (const { name, waitingPath } of sources()) {
      if (waitingPath === null) continue;
      const since = sinceMs.get(waitingPath) ?? nowMs;
      sinceMs.set(waitingPath, since);
      if (nowMs - since < WAIT_NOTICE_MS) continue;
      sinceMs.set(waitingPath, Number.POSITIVE_INFINITY);
      log.warn(
        { source: name, path: waitingPath },
        `waiting for ${waitingPath}: it is not whole, as if somebody were still writing it; it is rejected when it stays so (quarantineAfter)`,
      );
    }
  };
}
