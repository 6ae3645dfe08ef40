import type { AlertConfig, AlertKind } from '../../config/config.js';
import { isoTime } from '../../platform/clock.js';
import { plural } from '../../platform/duration-text.js';
import { escapeText } from '../../view/escape.js';

/** Something that somebody may want to be told of. Its texts may come from records and programs. */
export interface AlertEvent {
  /** `test`: only that alerts arrive. */
  readonly kind: AlertKind | 'test';
  /** Of what has a beginning and an end; else null. */
  readonly phase: 'begun' | 'ended' | null;
  /** The dependency, for an outage; else null. */
  readonly subject: string | null;
  /** Jobs, for dead letters; else 1. */
  readonly count: number;
  /** For dead letters the last of them, or empty where it is not known. */
  readonly what: string;
  readonly atMs: number;
}

/** What a program reads on stdin, and what is posted. Its fields are a promise: docs/operating.md. */
export interface AlertMessage {
  readonly alert: AlertEvent['kind'];
  readonly phase: AlertEvent['phase'];
  readonly subject: string | null;
  readonly count: number;
  /** Alerts of this kind, since the last one that arrived, that were held back or could not be delivered. */
  readonly unsent: number;
  /** One line, safe to show. */
  readonly text: string;
  readonly at: string;
  readonly host: string;
  readonly config: string;
}

/** Where all of this happens. */
export interface AlertPlace {
  readonly host: string;
  readonly configFile: string;
}

/** An alert that comes later than this says of which time it tells. */
const LATE_AFTER_MS = 60_000;
/** Some systems refuse longer variables, some chats longer lines. */
const LONGEST_TEXT = 1_500;

export function messageOf(
  event: AlertEvent,
  unsent: number,
  { host, configFile }: AlertPlace,
  nowMs: number,
): AlertMessage {
  const { kind, phase, subject, count, atMs } = event;
  const at = isoTime(atMs) ?? '';
  const notes = [
    nowMs - atMs > LATE_AFTER_MS ? `at ${at}` : '',
    unsent > 0 ? `${plural(unsent, 'earlier alert')} of this kind not sent` : '',
  ].filter((note) => note !== '');
  const text = escapeText(`dogged on ${host}: ${whatOf(event)}`.slice(0, LONGEST_TEXT));
  return {
    alert: kind,
    phase,
    subject: subject === null ? null : escapeText(subject),
    count,
    unsent,
    text: notes.length === 0 ? text : `${text} (${notes.join('; ')})`,
    at,
    host: escapeText(host),
    config: escapeText(configFile),
  };
}

function whatOf({ kind, count, what }: AlertEvent): string {
  if (kind !== 'dead-letter') return what;
  const jobs = `${plural(count, 'job')} failed for good (dogged jobs --state failed)`;
  if (what === '') return jobs;
  return `${jobs}${count === 1 ? ': ' : ', the last: '}${what}`;
}

/** Two of one kind, of which only one is to be sent: jobs add up, else the newer one says how things stand. */
export function mergeEvents(older: AlertEvent, newer: AlertEvent): AlertEvent {
  return newer.kind === 'dead-letter' ? { ...newer, count: older.count + newer.count } : newer;
}

/** Names an alert without what may be secret in it: any argument, and any part of an address but its origin. */
export function labelOf({ via }: AlertConfig): string {
  return via.kind === 'exec' ? `exec ${via.argv[0]}` : `webhook ${new URL(via.url).origin}`;
}
