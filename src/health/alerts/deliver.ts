import { fileURLToPath } from 'node:url';
import type { AlertWay } from '../../config/config.js';
import type { Clock } from '../../platform/clock.js';
import type { AlertMessage } from './alert.js';
import { runProgram } from './run-program.js';

/** How one try went. */
export type Delivery =
  /** `output`: what the program printed, cut short; null for nothing. */
  | { readonly delivered: true; readonly output: string | null }
  | { readonly delivered: false; readonly why: string };

export interface DeliveryContext {
  /** Where programs run: the folder of the config. */
  readonly folder: string;
  readonly clock: Clock;
  /** Gives up at once, and leaves nothing behind that runs. */
  readonly signal: AbortSignal;
  /** Program that posts webhooks: only tests run from source need another one. */
  readonly poster?: string;
}

const POSTER = fileURLToPath(new URL('./post-process.js', import.meta.url));

/** One try. Never rejects, and is over after 10 s, whatever becomes of the other side. */
export async function deliver(
  way: AlertWay,
  message: AlertMessage,
  { folder, clock, signal, poster = POSTER }: DeliveryContext,
): Promise<Delivery> {
  const { alert, phase, subject, text } = message;
  const end = { clock, signal };
  if (way.kind === 'exec') {
    const env = {
      DOGGED_ALERT: alert,
      DOGGED_ALERT_PHASE: phase ?? '',
      DOGGED_ALERT_SUBJECT: subject ?? '',
      DOGGED_ALERT_TEXT: text,
    };
    const { argv } = way;
    const { failure, output } = await runProgram({ argv, folder, env, input: message }, end);
    if (failure === null) return { delivered: true, output };
    return { delivered: false, why: output === null ? failure : `${failure}: ${output}` };
  }
  // `text` is what most chats show; some call it `content`. The address goes where no list of processes shows it.
  const input = { url: way.url, body: { ...message, content: text } };
  const argv = [process.execPath, poster];
  const { failure, output } = await runProgram({ argv, folder, env: {}, input }, end);
  return failure === null ? { delivered: true, output: null } : { delivered: false, why: output ?? failure };
}
