import type { AlertConfig, AlertWay } from '../../config/config.js';
import { type Clock, pause } from '../../platform/clock.js';
import type { MonitorLog } from '../monitor-log.js';
import {
  type AlertEvent,
  type AlertMessage,
  type AlertPlace,
  labelOf,
  mergeEvents,
  messageOf,
} from './alert.js';
import type { AlertRecord, WaitingAlert } from './alert-book.js';
import type { Delivery, DeliveryContext } from './deliver.js';

export interface OutboxOptions {
  readonly alert: AlertConfig;
  readonly place: AlertPlace;
  readonly folder: string;
  readonly clock: Clock;
  readonly log: MonitorLog;
  readonly deliver: (way: AlertWay, message: AlertMessage, context: DeliveryContext) => Promise<Delivery>;
  /** What `record` tells has changed. */
  readonly onChange: () => void;
  /** What a monitor before us wrote of the same alert. */
  readonly before: AlertRecord | null;
}

type Kind = AlertEvent['kind'];

/** One of a kind in this time: whatever happens, nobody is flooded. */
const AT_MOST_EVERY_MS = 60_000;
/** Before the second try and the third, which is the last. */
const RETRY_AFTER_MS = [2_000, 8_000];

/**
 * Sends what one alert of the config is to tell, one after another. It holds at most one event of each kind beside the one in
 * hand: a newer one takes its place, and the next message tells how many were not sent. So it is bounded, and the last word on
 * anything is always said.
 */
export class AlertOutbox {
  readonly #options: OutboxOptions;
  /** In the order in which they came. */
  readonly #waiting = new Map<Kind, WaitingAlert>();
  /** By the monotonic clock: when the last of a kind was begun. */
  readonly #begunAtMs = new Map<string, number>();
  /** Of those that were given up since the last of their kind arrived. */
  readonly #givenUp = new Map<Kind, number>();
  readonly #ending = new AbortController();
  #closed = false;
  #inHand: WaitingAlert | null = null;
  #sending: Promise<void> = Promise.resolve();
  #cancelTimer: (() => void) | null = null;
  #lastSentAtMs: number | null;
  #lastFailedAtMs: number | null;
  #lastFailure: string | null;

  constructor(options: OutboxOptions) {
    this.#options = options;
    const { before, alert } = options;
    this.#lastSentAtMs = before?.lastSentAtMs ?? null;
    this.#lastFailedAtMs = before?.lastFailedAtMs ?? null;
    this.#lastFailure = before?.lastFailure ?? null;
    const { clock } = options;
    for (const [kind, atMs] of Object.entries(before?.begunAtMs ?? {})) {
      // A wall clock that was set back holds nothing up for longer than the minute.
      this.#begunAtMs.set(kind, clock.monotonicMs() - Math.max(0, clock.wallMs() - atMs));
    }
    for (const { event, unsent } of before?.waiting ?? []) {
      if (alert.on.some((kind) => kind === event.kind)) this.#keep(event, unsent);
    }
    this.#sendNext();
  }

  put(event: AlertEvent): void {
    if (!this.#options.alert.on.some((kind) => kind === event.kind)) return;
    this.#keep(event, 0);
    this.#sendNext();
  }

  record(): AlertRecord {
    return {
      label: labelOf(this.#options.alert),
      lastSentAtMs: this.#lastSentAtMs,
      lastFailedAtMs: this.#lastFailedAtMs,
      lastFailure: this.#lastFailure,
      begunAtMs: this.#begun(),
      waiting: [...(this.#inHand === null ? [] : [this.#inHand]), ...this.#waiting.values()],
    };
  }

  /** In wall time, for a monitor that takes over. What is in hand was not sent, and holds nothing back. */
  #begun(): Record<string, number> {
    const { clock } = this.#options;
    const ages = [...this.#begunAtMs]
      .map(([kind, atMs]) => ({ kind, ageMs: clock.monotonicMs() - atMs }))
      .filter(({ kind, ageMs }) => ageMs < AT_MOST_EVERY_MS && kind !== this.#inHand?.event.kind);
    return Object.fromEntries(ages.map(({ kind, ageMs }) => [kind, Math.round(clock.wallMs() - ageMs)]));
  }

  /** Begins nothing more, gives what is under way so long, then ends it: what was not sent stays in `record`. */
  async close(withinMs: number): Promise<void> {
    this.#closed = true;
    this.#cancelTimer?.();
    const giveUp = () => this.#ending.abort();
    if (withinMs === 0 || this.#inHand === null) giveUp();
    const cancel = this.#options.clock.after(withinMs, giveUp);
    await this.#sending;
    giveUp();
    cancel();
  }

  #keep(event: AlertEvent, unsent: number): void {
    const older = this.#waiting.get(event.kind);
    if (older === undefined) {
      this.#waiting.set(event.kind, { event, unsent });
      return;
    }
    const merged = mergeEvents(older.event, event);
    // Jobs that are counted together are not unsent.
    const left = merged.count > event.count ? 0 : 1;
    this.#waiting.set(event.kind, { event: merged, unsent: older.unsent + unsent + left });
  }

  readonly #sendNext = (): void => {
    if (this.#inHand !== null || this.#closed) return;
    this.#cancelTimer?.();
    const nowMs = this.#options.clock.monotonicMs();
    let soonestMs = Number.POSITIVE_INFINITY;
    for (const [kind, waiting] of this.#waiting) {
      const waitMs = (this.#begunAtMs.get(kind) ?? Number.NEGATIVE_INFINITY) + AT_MOST_EVERY_MS - nowMs;
      if (waitMs <= 0) {
        this.#waiting.delete(kind);
        this.#begunAtMs.set(kind, nowMs);
        this.#inHand = waiting;
        this.#sending = this.#send(waiting);
        return;
      }
      soonestMs = Math.min(soonestMs, waitMs);
    }
    if (soonestMs === Number.POSITIVE_INFINITY) return;
    this.#cancelTimer = this.#options.clock.after(soonestMs, this.#sendNext, { background: true });
  };

  async #send({ event, unsent }: WaitingAlert): Promise<void> {
    const { alert, place, clock, log, onChange } = this.#options;
    const { kind } = event;
    const lost = unsent + (this.#givenUp.get(kind) ?? 0);
    const answer = await this.#tryToDeliver(event, lost);
    // It stays in hand, so that the next monitor goes on with it.
    if (this.#ending.signal.aborted && !answer.delivered) return;
    this.#inHand = null;
    if (answer.delivered) {
      this.#lastSentAtMs = clock.wallMs();
      this.#givenUp.delete(kind);
      log.info(`alert "${kind}" sent (${labelOf(alert)})`, { output: answer.output ?? undefined });
    } else {
      this.#lastFailedAtMs = clock.wallMs();
      this.#lastFailure = answer.why;
      this.#givenUp.set(kind, lost + 1);
      const tries = RETRY_AFTER_MS.length + 1;
      const { text } = messageOf(event, lost, place, clock.wallMs());
      log.error(
        `alert "${kind}" could not be sent (${labelOf(alert)}), tried ${tries} times: ${answer.why}`,
        {
          alert: text,
        },
      );
    }
    onChange();
    this.#sendNext();
  }

  async #tryToDeliver(event: AlertEvent, unsent: number): Promise<Delivery> {
    const { alert, place, folder, clock, deliver } = this.#options;
    const { signal } = this.#ending;
    for (let tries = 0; ; tries += 1) {
      const message = messageOf(event, unsent, place, clock.wallMs());
      const answer = await deliver(alert.via, message, { folder, clock, signal });
      const retryAfterMs = RETRY_AFTER_MS[tries];
      if (answer.delivered || retryAfterMs === undefined || signal.aborted) return answer;
      await pause(clock, retryAfterMs, signal);
      if (signal.aborted) return answer;
    }
  }
}
