import { durationText } from '../platform/duration-text.js';
import { type Check, result } from './check.js';

/** Handed in: health looks into no store. */
export interface RestorationFact {
  readonly atMs: number;
  readonly damagedAs: string;
  /** The backup in its place; null: an empty database. */
  readonly from: string | null;
  readonly acknowledged: boolean;
}

/** Long enough that whoever looks once a day sees it. */
const TOLD_FOR_MS = 24 * 60 * 60_000;

/** Critical until somebody says that he has read of it, or for a day. Else there is nothing to say. */
export function restorationCheck(nowMs: number, read: () => Promise<RestorationFact | null>): Check {
  return {
    name: 'restoration',
    async run() {
      const fact = await read();
      // A clock that was set back makes it young again, and tells it longer.
      if (fact === null || fact.acknowledged || nowMs - fact.atMs > TOLD_FOR_MS) return [];
      const { atMs, damagedAs, from } = fact;
      const place = from === null ? 'an empty database has taken its place' : `${from} has taken its place`;
      const text = `${durationText(Math.max(0, nowMs - atMs))} ago it was damaged and is kept as ${damagedAs}; ${place}`;
      return [result('restoration', 'Database', 'critical', text, 'dogged health --acknowledge')];
    },
  };
}
