import type { Debugger, Session } from 'node:inspector';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../platform/clock.js';
import type { Frame, Hang } from './hang-file.js';

export type MainStack = Pick<Hang, 'stack' | 'noStack'>;

/** A loop in JavaScript answers within milliseconds; one that says nothing for so long is in native code. */
const FIRST_ANSWER_WITHIN_MS = 1_000;
const GIVES_UP_AFTER_MS = 2_000;
const MOST_FRAMES = 30;

/**
 * The JavaScript stack of the main thread, asked for from a thread beside it. While the frames are copied the main thread
 * is paused, so nothing else is done then; it goes on whatever happens here. `stands` is asked before anything is held
 * against the main thread: a loop that turns again is left alone.
 */
export function readMainStack(clock: Clock, stands: () => boolean): Promise<MainStack> {
  // Loaded only when it is needed: it would cost every worker memory.
  const { Session } = process.getBuiltinModule('node:inspector');
  const session = new Session();
  const files = new Map<string, string>();
  return new Promise((resolve) => {
    let isOver = false;
    let cancel: () => void = () => undefined;
    const end = (result: MainStack) => {
      if (isOver) return;
      isOver = true;
      cancel();
      session.disconnect();
      resolve(result);
    };
    const without = (noStack: string) => end({ stack: [], noStack });
    const giveUpAfter = (ms: number) => {
      cancel();
      cancel = clock.after(ms, () => without(`no answer within ${ms} ms: it is in native code`));
    };
    const ask = (method: string, next: () => void) => {
      session.post(method, (error) => {
        if (isOver) return;
        if (error !== null) without(`${method}: ${error.message}`);
        else if (!stands()) without('the loop turned again');
        else next();
      });
    };

    session.on('Debugger.scriptParsed', ({ params }) => void files.set(params.scriptId, params.url));
    session.on('Debugger.paused', ({ params }) => {
      let frames: readonly Debugger.CallFrame[] = [];
      try {
        frames = params.callFrames.slice(0, MOST_FRAMES);
      } finally {
        // Disconnecting would do: a paused thread without a debugger goes on. Both, so that neither is relied upon.
        resume(session);
        end({ stack: frames.map((frame) => frameOf(frame, files)), noStack: null });
      }
    });
    try {
      session.connectToMainThread();
      giveUpAfter(FIRST_ANSWER_WITHIN_MS);
      ask('Debugger.enable', () => {
        giveUpAfter(GIVES_UP_AFTER_MS);
        ask('Debugger.pause', () => undefined);
      });
    } catch (error) {
      without(String(error));
    }
  });
}

function resume(session: Session): void {
  session.post('Debugger.resume', () => undefined);
}

function frameOf(
  { functionName, url, location }: Debugger.CallFrame,
  files: ReadonlyMap<string, string>,
): Frame {
  const file = url || files.get(location.scriptId) || '';
  return {
    function: functionName,
    file: file.startsWith('file://') ? fileURLToPath(file) : file,
    line: location.lineNumber + 1,
    column: (location.columnNumber ?? 0) + 1,
  };
}
