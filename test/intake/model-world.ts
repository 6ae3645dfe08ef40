import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { expect } from 'vitest';
import type { SourceConfig } from '../../src/config/config.js';
import { systemClock } from '../../src/platform/clock.js';
import type { Store } from '../../src/store/engine.js';
import type { IntakeStore } from '../../src/store/intake-contract.js';
import type { JobSummary } from '../../src/store/read-contract.js';
import { FakeClock } from '../support/fake-clock.js';
import { coarseStamps, FAULTS, type Fault, faultyFiles } from './faulty-files.js';
import { createRig, type Rig, type RigOptions } from './rig.js';

/*
 * The worlds in which a model of a writer is played against the real intake on real files: one that is well, one with
 * coarse and jumping clocks, one whose file system fails now and then. In each, the worker can be killed at any commit.
 */

/** The same histories each time, so that a change of the program alone can turn a run red. */
const SEED = 20_261_126;

/**
 * How many histories each property tries. Others than these, and far more of them, are for somebody who has the time:
 * `DOGGED_MODEL_RUNS=5000 npx vitest run test/intake`.
 */
export function runs(short: number): fc.Parameters<unknown> {
  const wanted = process.env['DOGGED_MODEL_RUNS'];
  return wanted === undefined ? { numRuns: short, seed: SEED } : { numRuns: Number(wanted) };
}

/** A look at what was written; false when it failed, so that perhaps not everything was seen. */
export type Look = () => Promise<boolean>;

/** What happens beside the writing. */
export type WorldEvent =
  | { readonly kind: 'poll'; readonly times: number }
  /** A new worker, which knows only what the store remembers. */
  | { readonly kind: 'restart' }
  /** The worker dies at one of its next commits: before anything of it is written, or just after. */
  | { readonly kind: 'crash'; readonly at: 'before' | 'after'; readonly commit: number };

export const worldEvents: fc.Arbitrary<WorldEvent> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('poll' as const), times: fc.constantFrom(1, 1, 1, 2, 4) }),
  },
  { weight: 1, arbitrary: fc.constant<WorldEvent>({ kind: 'restart' }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('crash' as const),
      at: fc.constantFrom('before' as const, 'after' as const),
      commit: fc.integer({ min: 1, max: 3 }),
    }),
  },
);

/** A program that writes files, and knows what they mean at each moment. */
export interface WriterModel<O> {
  begin(): void;
  apply(operation: O): Promise<void>;
  /** Somebody has looked while nothing was being written. */
  seen(): void;
  /** The worker's memory is gone: whatever it had seen and not admitted is unseen. */
  forget(): void;
  /** What is wrong with these jobs, in words. */
  findWrong(jobs: readonly JobSummary[]): string[];
}

export interface Subject<O> {
  readonly source: (folder: string) => SourceConfig;
  readonly model: (folder: string, look: Look, onWrite: (path: string) => void) => WriterModel<O>;
  readonly steps: readonly (O | WorldEvent)[];
}

interface World {
  readonly options: RigOptions;
  readonly onWrite?: (path: string) => void;
  /** Before each step. */
  readonly before?: (step: number) => Promise<void>;
  /** Faults that were injected so far. */
  readonly faults?: () => number;
  /** Until everything has been seen that there is. */
  readonly calm: (rig: Rig, poll: Look) => Promise<void>;
}

async function play<O extends { readonly kind: string }>(subject: Subject<O>, world: World): Promise<void> {
  const killer = new Killer();
  const rig = await createRig(subject.source, {
    ...world.options,
    wrapStore: (store) => killer.wrap(store),
  });
  const { faults = () => 0 } = world;
  const poll: Look = async () => {
    const before = faults();
    await rig.poll();
    if (killer.takeKilled()) {
      rig.restart();
      model.forget();
      return false;
    }
    return faults() === before && rig.poller.status().problem === null;
  };
  const model = subject.model(rig.folder, poll, world.onWrite ?? (() => undefined));
  try {
    model.begin();
    for (const [n, step] of subject.steps.entries()) {
      await world.before?.(n);
      await happens(step, { rig, killer, model, poll });
    }
    killer.disarm();
    await world.calm(rig, poll);
    expect(model.findWrong(await rig.jobs()).join('\n')).toBe('');
    if (world.faults === undefined && !killer.hasKilled)
      expect(rig.lines.filter((line) => line.includes('could not'))).toEqual([]);
  } finally {
    await rig.store.close();
  }
}

async function happens<O extends { readonly kind: string }>(
  step: O | WorldEvent,
  { rig, killer, model, poll }: { rig: Rig; killer: Killer; model: WriterModel<O>; poll: Look },
): Promise<void> {
  switch (step.kind) {
    case 'poll':
      for (let n = 0; n < (step as WorldEvent & { kind: 'poll' }).times; n += 1)
        if (await poll()) model.seen();
      return;
    case 'restart':
      rig.restart();
      model.forget();
      return;
    case 'crash':
      killer.arm(step as WorldEvent & { kind: 'crash' });
      return;
    default:
      return model.apply(step as O);
  }
}

/** Ends the worker at a commit: what it had in memory is gone, and what the store has taken stands. */
class Killer {
  #armed: { readonly at: 'before' | 'after'; left: number } | null = null;
  #killed = false;
  hasKilled = false;

  arm({ at, commit }: { readonly at: 'before' | 'after'; readonly commit: number }): void {
    this.#armed = { at, left: commit };
  }

  disarm(): void {
    this.#armed = null;
  }

  takeKilled(): boolean {
    const killed = this.#killed;
    this.#killed = false;
    return killed;
  }

  wrap(store: Store): IntakeStore {
    return {
      cursors: (scope) => store.cursors(scope),
      admit: async (batch) => {
        const armed = this.#armed;
        if (armed === null) return store.admit(batch);
        armed.left -= 1;
        if (armed.left > 0) return store.admit(batch);
        this.#armed = null;
        this.#killed = true;
        this.hasKilled = true;
        if (armed.at === 'after') await store.admit(batch);
        throw new Error('killed');
      },
    };
  }
}

/** Real clock, real time stamps, nothing fails. */
export function playInPeace<O extends { readonly kind: string }>(subject: Subject<O>): Promise<void> {
  return play(subject, {
    options: { clock: systemClock },
    async calm(_, poll) {
      // Two looks for what must settle, and past the time in which a stamp can hide a write.
      for (let n = 0; n < 4; n += 1) {
        await poll();
        await sleep(20);
      }
    },
  });
}

const ticks = fc.constantFrom(0.000_001, 4, 1_000, 2_000);
const moves = fc.array(fc.constantFrom(0, 0, 1, 3, 40, 700, 3_000), { minLength: 16, maxLength: 16 });
const jumps = fc.array(fc.constantFrom(0, 0, 0, 0, -3_600_000, 3_600_000), { minLength: 16, maxLength: 16 });

export interface Clocks {
  readonly tickMs: number;
  readonly moveMs: readonly number[];
  readonly jumpMs: readonly number[];
}

export const clocks: fc.Arbitrary<Clocks> = fc.record({ tickMs: ticks, moveMs: moves, jumpMs: jumps });

/** Time stamps move in ticks, however coarse, and go back with a clock that is set. */
export async function playWithClocks<O extends { readonly kind: string }>(
  subject: Subject<O>,
  { tickMs, moveMs, jumpMs }: Clocks,
): Promise<void> {
  const clock = new FakeClock();
  const { files, written } = coarseStamps(clock, tickMs);
  await play(subject, {
    options: { clock, files },
    onWrite: written,
    async before(n) {
      clock.jumpWall(jumpMs[n] ?? 0);
      await clock.advance(moveMs[n] ?? 0);
    },
    calm: afterLongPauses,
  });
}

export const faultLists = fc.array(fc.option(fc.constantFrom<Fault>(...FAULTS), { freq: 4 }), {
  minLength: 1,
  maxLength: 60,
});

/** Calls of the file system fail as the list says, over and over, until the writer is done. */
export async function playWithFaults<O extends { readonly kind: string }>(
  subject: Subject<O>,
  list: readonly (Fault | null)[],
): Promise<void> {
  const clock = new FakeClock(Date.now());
  let calls = 0;
  let faults = 0;
  let armed = true;
  const next = () => {
    const fault = armed ? (list[calls++ % list.length] ?? null) : null;
    if (fault !== null) faults += 1;
    return fault;
  };
  await play(subject, {
    options: { clock, files: faultyFiles(next) },
    before: () => clock.advance(2_000),
    faults: () => faults,
    async calm(rig, poll) {
      armed = false;
      await afterLongPauses(rig, poll);
    },
  });
}

async function afterLongPauses({ clock }: Rig, poll: Look): Promise<void> {
  for (let n = 0; n < 6; n += 1) {
    await clock.advance(20_500);
    await poll();
  }
}
