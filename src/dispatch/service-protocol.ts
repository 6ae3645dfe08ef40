import type { RunOutcome } from '../job/outcome.js';
import type { Claim } from '../store/contract.js';
import { progressFromPercent } from './progress.js';

/** One line from a service. */
export type ServiceMessage =
  | {
      readonly kind: 'answer';
      readonly id: string;
      readonly attempt: number | null;
      readonly outcome: RunOutcome;
    }
  | { readonly kind: 'progress'; readonly id: string; readonly share: number }
  /** Not JSON: something that a library printed. Kept as output. */
  | { readonly kind: 'text' }
  /** JSON, but no answer that we understand. */
  | { readonly kind: 'nonsense' };

const TEXT: ServiceMessage = { kind: 'text' };
const NONSENSE: ServiceMessage = { kind: 'nonsense' };
const OPENING_BRACE = 0x7b;
const LINE_END = Buffer.from('}\n');

/** The request line. The payload's bytes are put in as they are, so numbers keep their spelling. */
export function requestLine(claim: Claim): Buffer {
  const { id, attempt, key, task, source, workspace } = claim;
  const head = JSON.stringify({ id, attempt, key, task, source, workspace });
  return Buffer.concat([Buffer.from(`${head.slice(0, -1)},"payload":`), claim.payload.bytes, LINE_END]);
}

export function readServiceLine(line: Buffer): ServiceMessage {
  if (line[0] !== OPENING_BRACE) return TEXT;
  let message: Record<string, unknown>;
  try {
    message = JSON.parse(line.toString()) as Record<string, unknown>;
  } catch {
    // Begins like JSON and is none: as likely a printed dictionary as a broken answer.
    return TEXT;
  }
  const { id, ok } = message;
  if (typeof id !== 'string' && typeof id !== 'number') return NONSENSE;
  if (typeof ok === 'boolean') {
    const attempt = typeof message['attempt'] === 'number' ? message['attempt'] : null;
    return {
      kind: 'answer',
      id: String(id),
      attempt,
      outcome: ok ? doneOutcome(message) : failedOutcome(message),
    };
  }
  const share = progressFromPercent(message['progress']);
  return share === null ? NONSENSE : { kind: 'progress', id: String(id), share };
}

function doneOutcome({ result }: Record<string, unknown>): RunOutcome {
  return { kind: 'done', result: result === undefined || result === null ? null : JSON.stringify(result) };
}

function failedOutcome({ error, retry, unavailable }: Record<string, unknown>): RunOutcome {
  const reason = describeError(error);
  if (unavailable === true) return { kind: 'unavailable', reason };
  if (retry === false) return { kind: 'refused', reason };
  if (retry === 'later') return { kind: 'deferred', reason };
  return { kind: 'failed', reason };
}

function describeError(error: unknown): string {
  if (typeof error === 'string' && error !== '') return error;
  if (typeof error === 'object' && error !== null && 'message' in error) return String(error.message);
  return error === undefined || error === null ? 'the handler gave no reason' : JSON.stringify(error);
}
