import { sha256 } from '../../job/snapshot.js';
import type { Claim, End } from '../contract.js';

/** A job as it is sent: all that a run needs, at whichever machine. */
export interface Parcel {
  /** Id in Redis. */
  readonly id: string;
  /** Of the store that owns the job: where its end goes. */
  readonly origin: string;
  readonly site: string;
  readonly workspace: string;
  readonly task: string;
  readonly source: string | null;
  readonly key: string;
  readonly cycle: string;
  /** Attempts, failed tries and deaths of workers before this. */
  readonly attempt: number;
  readonly charged: number;
  readonly crashes: number;
  readonly maxAttempts: number;
  readonly timeoutMs: number | null;
  readonly priority: number;
  readonly group: string | null;
  readonly groupLimit: number | null;
  /** Other machines see its source, too: they may own it as well. */
  readonly isShared: boolean;
  readonly runAtMs: number;
  readonly expiresAtMs: number | null;
  readonly rank: number;
  readonly payload: Claim['payload'];
}

/** What names a job: the same on every machine that means the same record. */
export interface ParcelName {
  readonly workspace: string;
  /** null for a source that several machines see: its records are the same ones everywhere. */
  readonly site: string | null;
  readonly scope: string;
  readonly key: string;
  readonly version: Buffer;
  /** Grows with each try and each redrive. */
  readonly generation: string;
}

/** BullMQ takes no id that is all digits or holds a colon. */
export function parcelId({ workspace, site, scope, key, version, generation }: ParcelName): string {
  const parts = [workspace, site, scope, key, version.toString('hex'), generation];
  return `k-${sha256(JSON.stringify(parts)).toString('hex')}`;
}

type Wire = Omit<Parcel, 'payload'> & { readonly hash: string } & (
    | { readonly text: string }
    | { readonly base64: string }
  );

/** Its JSON form. The payload's bytes arrive as they were, whatever they are. */
export function toWire({ payload: { bytes, hash }, ...rest }: Parcel): Wire {
  const text = bytes.toString('utf8');
  const body = Buffer.from(text).equals(bytes) ? { text } : { base64: bytes.toString('base64') };
  return { ...rest, hash: hash.toString('hex'), ...body };
}

/** null for what no dogged has written. It becomes the parcel itself: to spread it into another costs kilobytes. */
export function fromWire(wire: unknown): Parcel | null {
  const { id, origin, hash, text, base64 } = (wire ?? {}) as Partial<Record<string, unknown>>;
  if (typeof id !== 'string' || typeof origin !== 'string' || typeof hash !== 'string') return null;
  const bytes = typeof text === 'string' ? Buffer.from(text) : Buffer.from(String(base64 ?? ''), 'base64');
  return Object.assign(wire as Omit<Parcel, 'payload'>, {
    payload: { bytes, hash: Buffer.from(hash, 'hex') },
  });
}

/** What a machine tells the one that owns a job. */
export type Message = Sender &
  (
    | { readonly kind: 'started'; readonly atMs: number }
    | {
        readonly kind: 'ended';
        readonly report: End['report'];
        readonly next: End['next'];
        /** Until another try, by no machine's wall clock. */
        readonly waitMs: number;
      }
  );

interface Sender {
  readonly id: string;
  readonly attempt: number;
  readonly site: string;
}

/** Messages of one sender, as a stream holds them. */
export interface Letter {
  /** Store and epoch of the worker that sent it. */
  readonly by: string;
  readonly messages: readonly string[];
}

/** `fields` of an entry: the sender, then its messages, each after its name. */
export function readLetter(fields: readonly string[]): Letter {
  const messages = fields.filter((_, index) => index % 2 === 1 && fields[index - 1] === 'm');
  return { by: fields[0] === 'by' ? (fields[1] ?? '') : '', messages };
}

/** null for what no dogged has written. */
export function readMessage(text: string): Message | null {
  try {
    const message = JSON.parse(text) as Message;
    return message.kind === 'started' || message.kind === 'ended' ? message : null;
  } catch {
    return null;
  }
}
