import type { Clock } from '../platform/clock.js';
import { progressBar } from '../view/progress-bar.js';
import type { Output } from './command.js';

/** Tells how far something has come while a person waits. */
export interface ProgressLine {
  show(done: number, total: number, text: string): void;
  /** Takes the line away. */
  end(): void;
}

const CLEAR_LINE = '\r\x1b[2K';
const BAR_COLUMNS = 30;
/** More often than this nobody can read it. */
const DRAW_EVERY_MS = 50;
/** Without a terminal: a line when something changed, but no more often than this. */
const LINE_EVERY_MS = 5_000;

/** A bar on a terminal; elsewhere a line every few seconds, said by `say`. */
export function progressLine(output: Output, clock: Clock, say: (text: string) => void): ProgressLine {
  return output.interactive ? barOn(output, clock) : linesOf(say, clock);
}

function barOn(output: Output, clock: Clock): ProgressLine {
  let drawnAtMs = Number.NEGATIVE_INFINITY;
  return {
    show(done, total, text) {
      const nowMs = clock.monotonicMs();
      if (nowMs - drawnAtMs < DRAW_EVERY_MS) return;
      drawnAtMs = nowMs;
      output.draw(`${CLEAR_LINE}${progressBar(done, total, BAR_COLUMNS)}  ${text}`);
    },
    end: () => output.draw(CLEAR_LINE),
  };
}

function linesOf(say: (text: string) => void, clock: Clock): ProgressLine {
  let shown = '';
  let shownAtMs = Number.NEGATIVE_INFINITY;
  return {
    show(_done, _total, text) {
      const nowMs = clock.monotonicMs();
      if (text === shown || nowMs - shownAtMs < LINE_EVERY_MS) return;
      shown = text;
      shownAtMs = nowMs;
      say(text);
    },
    end: () => undefined,
  };
}
