import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ScheduleSource } from '../../../src/config/config.js';
import type { Next } from '../../../src/job/outcome.js';
import type { Claim } from '../../../src/store/contract.js';
import { end, someOwner, turn } from '../../conformance/given.js';
import { createRig, type Rig, type RigOptions, scheduleSource } from '../rig.js';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** A Thursday in summer, on the hour. */
export const NOON = Date.UTC(2026, 6, 16, 12);

export interface PlanRig extends Rig {
  readonly path: string;
  now(): number;
  /** Writes the plan as most programs do: beside, then over it by a rename. */
  plan(content: unknown): void;
  /** Over itself, in place. */
  planInPlace(content: unknown): void;
  /** Polls until nothing is waited for: a plan that was written just now is looked at twice. */
  read(): Promise<void>;
  /** Jobs that may run now, taken. */
  claim(): Promise<readonly Claim[]>;
  finish(claim: Claim, next?: Next): Promise<void>;
  /** `a scheduled`, in the order in which they were opened. */
  places(): Promise<string[]>;
}

export async function planRig(
  changes: Partial<ScheduleSource> = {},
  options: RigOptions = {},
): Promise<PlanRig> {
  const rig = await createRig((folder) => scheduleSource(join(folder, 'schedule.json'), changes), {
    wallMs: NOON,
    ...options,
  });
  await rig.store.takeOwnership(someOwner, rig.clock.wallMs());
  return withPlans(rig);
}

export function withPlans(rig: Rig): PlanRig {
  const path = join(rig.folder, 'schedule.json');
  const now = () => rig.clock.wallMs();
  const textOf = (content: unknown) => (typeof content === 'string' ? content : JSON.stringify(content));
  const eligible = [{ task: 'work', room: 100 }];
  const own = {
    path,
    now,
    plan(content: unknown) {
      writeFileSync(`${path}.tmp`, textOf(content));
      renameSync(`${path}.tmp`, path);
    },
    planInPlace: (content: unknown) => writeFileSync(path, textOf(content)),
    async read() {
      for (let look = 0; look < 3; look += 1) if (await rig.poll()) return;
      throw new Error('the plan is still waited for');
    },
    claim: async () => (await turn(rig.store, { nowMs: now(), freeSlots: 100, eligible })).claims,
    async finish(claim: Claim, next?: Next) {
      const ended = end(claim, next, { startedAtMs: now(), endedAtMs: now() });
      await turn(rig.store, { nowMs: now(), freeSlots: 0, eligible, ends: [ended] });
    },
    places: async () => (await rig.jobs()).map(({ key, place }) => `${key} ${place}`),
  };
  return Object.assign(rig, own);
}

/** A record of a plan: an hour from `startMs` on, unless told otherwise. */
export function show(
  id: string,
  startMs: number,
  more: Record<string, unknown> = {},
): Record<string, unknown> {
  return { id, start: iso(startMs), end: iso(startMs + HOUR), ...more };
}

export function iso(ms: number): string {
  return new Date(ms).toISOString();
}
