import { readStateFile, type StateFile } from '../../heartbeat/read-state-file.js';
import {
  amount,
  count,
  flag,
  listOf,
  mapOf,
  oneOf,
  optional,
  orNull,
  shapeOf,
  text,
} from '../../heartbeat/shape.js';
import { stateFiles } from '../../heartbeat/state-files.js';
import type { AlertEvent } from './alert.js';
import type { AlertMemory, FailureCount, NoticedOutage } from './notice.js';

/** `state/alerts.json`: what was noticed, and for each alert of the config what waits and how the last ones went. */
export interface AlertBook {
  readonly schema: 1;
  readonly memory: AlertMemory;
  readonly records: readonly AlertRecord[];
}

/** How one alert of the config fares. */
export interface AlertRecord {
  readonly label: string;
  readonly lastSentAtMs: number | null;
  readonly lastFailedAtMs: number | null;
  /** Why the last one that failed could not be delivered. */
  readonly lastFailure: string | null;
  /** By kind, and the wall clock: when the last one was begun, for one of a kind a minute also over restarts. Older books lack it. */
  readonly begunAtMs?: Readonly<Record<string, number>>;
  /** Not delivered yet: a monitor that takes over goes on with them. At most one of each kind, and the one in hand. */
  readonly waiting: readonly WaitingAlert[];
}

export interface WaitingAlert {
  readonly event: AlertEvent;
  readonly unsent: number;
}

export function readAlertBook(stateFolder: string): StateFile<AlertBook> {
  return readStateFile<AlertBook>(stateFiles(stateFolder).alerts, checkBook);
}

const checkBook = shapeOf<AlertBook>({
  schema: oneOf(1),
  memory: shapeOf<AlertMemory>({
    worker: oneOf('well', 'stuck', 'gave-up'),
    outages: listOf(shapeOf<NoticedOutage>({ id: text, dependency: text, since: text })),
    diskLow: flag,
    redisAway: optional(flag),
    failures: orNull(shapeOf<FailureCount>({ nonce: text, seen: count, standing: count })),
  }),
  records: listOf(
    shapeOf<AlertRecord>({
      label: text,
      lastSentAtMs: orNull(amount),
      lastFailedAtMs: orNull(amount),
      lastFailure: orNull(text),
      begunAtMs: optional(mapOf(amount)),
      waiting: listOf(
        shapeOf<WaitingAlert>({
          event: shapeOf<AlertEvent>({
            kind: text,
            phase: orNull(oneOf('begun', 'ended')),
            subject: orNull(text),
            count,
            what: text,
            atMs: amount,
          }),
          unsent: count,
        }),
      ),
    }),
  ),
});
