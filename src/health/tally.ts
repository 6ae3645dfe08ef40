import { readStateFile } from '../heartbeat/read-state-file.js';
import { amount, flag, listOf, oneOf, orNull, shapeOf, text } from '../heartbeat/shape.js';
import { stateFiles } from '../heartbeat/state-files.js';
import { writeFileAtomic } from '../platform/atomic-file.js';

/** What the monitor is doing, in one word. */
const PHASES = [
  'starting',
  'watching',
  'backing-off',
  'await-config',
  'await-mending',
  'await-holder',
  'gave-up',
] as const;
export type Phase = (typeof PHASES)[number];

/** The monitor's memory on disk: a monitor that is restarted counts on where the last one stopped. */
export interface Tally {
  readonly schema: 1;
  readonly phase: Phase;
  /** For people: what led to this phase. */
  readonly why: string;
  /** When the next start is due in this phase, by the wall clock; null when none is. */
  readonly retryAtMs: number | null;
  /** When each fruitless start ended, since the last fruitful one. */
  readonly fruitlessAtMs: readonly number[];
  /** Since the last fruitful start there were too many of the other kind. */
  readonly gaveUp: boolean;
  /** The request that this tally belongs to: a new one from a person begins a new count. */
  readonly request: string | null;
}

const BLANK: Tally = {
  schema: 1,
  phase: 'starting',
  why: '',
  retryAtMs: null,
  fruitlessAtMs: [],
  gaveUp: false,
  request: null,
};
/** More are never counted. */
const KEPT = 1_000;

export function readTally(stateFolder: string): Tally | null {
  const file = readStateFile<Tally>(stateFiles(stateFolder).restarts, checkTally);
  return file.status === 'read' ? file.content : null;
}

export interface TallyBook {
  current(): Tally;
  setPhase(phase: Phase, why: string, retryAtMs?: number | null): void;
  addFruitless(nowMs: number): void;
  giveUp(): void;
  /** A worker has proved useful: count from nothing again. */
  clear(): void;
  /** Counts from nothing when this is a request that was not seen before, and says so. */
  beginRequest(request: string): boolean;
  inARow(): number;
  inWindow(nowMs: number, withinMs: number): number;
}

/** `onFailure` hears of a tally that could not be written: it is then kept in memory alone. */
export function openTally(stateFolder: string, onFailure: (error: unknown) => void): TallyBook {
  const path = stateFiles(stateFolder).restarts;
  let tally = readTally(stateFolder) ?? BLANK;

  const change = (next: Tally) => {
    if (JSON.stringify(next) === JSON.stringify(tally)) return;
    tally = next;
    try {
      writeFileAtomic(path, `${JSON.stringify(tally)}\n`);
    } catch (error) {
      onFailure(error);
    }
  };

  return {
    current: () => tally,
    setPhase: (phase, why, retryAtMs = null) => change({ ...tally, phase, why, retryAtMs }),
    addFruitless: (nowMs) =>
      change({ ...tally, fruitlessAtMs: [...tally.fruitlessAtMs, nowMs].slice(-KEPT) }),
    giveUp: () => change({ ...tally, gaveUp: true }),
    clear: () => change({ ...tally, fruitlessAtMs: [], gaveUp: false }),
    beginRequest(request) {
      if (request === tally.request) return false;
      // What the last count came to is no answer to this request: `dogged start` would take it for one.
      change({ ...BLANK, request });
      return true;
    },
    inARow: () => tally.fruitlessAtMs.length,
    // A time that lies ahead was written before the clock was set back: it says nothing.
    inWindow: (nowMs, withinMs) =>
      tally.fruitlessAtMs.filter((atMs) => atMs <= nowMs && nowMs - atMs <= withinMs).length,
  };
}

const checkTally = shapeOf<Tally>({
  schema: oneOf(1),
  phase: oneOf(...PHASES),
  why: text,
  retryAtMs: orNull(amount),
  fruitlessAtMs: listOf(amount),
  gaveUp: flag,
  request: orNull(text),
});
