import { useEffect, useRef } from 'react';
import { type Clock, pause } from '../../platform/clock.js';
import type { LookRequest, QueueLook, QueueMonitorPort } from './port.js';

const EVERY_MS = 1_000;
/** How often is asked whether something has changed, which costs next to nothing. */
const ASK_EVERY_MS = 200;
/** A look that took long is followed by a rest so many times as long: the screen must not take a core for itself. */
const REST_PER_LOOK = 30;

/**
 * Looks once a second, earlier where something has changed and a second has gone by since that was so last, and at once
 * where another request is made. The returned function looks at once, too.
 */
export function useLooks(
  port: QueueMonitorPort,
  clock: Clock,
  request: LookRequest,
  onLook: (request: LookRequest, look: QueueLook) => void,
): () => void {
  const latest = useRef({ request, onLook });
  latest.current = { request, onLook };
  const wake = useRef(new AbortController());

  useEffect(() => {
    const end = new AbortController();
    void lookOn(port, clock, () => latest.current, wake, end.signal);
    return () => {
      end.abort();
      wake.current.abort();
    };
  }, [port, clock]);

  const { filter, top, shift, rows } = request.page;
  // biome-ignore lint/correctness/useExhaustiveDependencies: another request is the reason to look
  useEffect(() => wake.current.abort(), [filter, top, shift, rows, request.open]);
  return () => wake.current.abort();
}

interface Latest {
  readonly request: LookRequest;
  readonly onLook: (request: LookRequest, look: QueueLook) => void;
}

async function lookOn(
  port: QueueMonitorPort,
  clock: Clock,
  latest: () => Latest,
  wake: { current: AbortController },
  end: AbortSignal,
): Promise<void> {
  let changedAtMs = Number.NEGATIVE_INFINITY;
  while (!end.aborted) {
    wake.current = new AbortController();
    const { request } = latest();
    const beganMs = clock.monotonicMs();
    const look = await port.look(request);
    if (end.aborted) return;
    latest().onLook(request, look);
    const endedMs = clock.monotonicMs();
    const restMs = Math.max(EVERY_MS, (endedMs - beganMs) * REST_PER_LOOK);
    while (!end.aborted && !wake.current.signal.aborted) {
      const nowMs = clock.monotonicMs();
      if (nowMs - endedMs >= restMs) break;
      if (nowMs - Math.max(changedAtMs, endedMs + restMs - EVERY_MS) >= EVERY_MS && port.changed()) {
        changedAtMs = nowMs;
        break;
      }
      await pause(clock, ASK_EVERY_MS, wake.current.signal);
    }
  }
}
