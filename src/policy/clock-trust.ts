/** Asked by whoever acts on a due time. */
export interface ClockTrust {
  /** Why no due time is to be acted on now; null when the wall clock is believed. */
  isSuspect(): string | null;
}

/** Where nobody watches the clock. */
export const TRUSTED_CLOCK: ClockTrust = { isSuspect: () => null };

export interface ClockTrustRules {
  readonly trust: 'auto' | 'always';
  /** A suspect clock is believed after this, in any case. */
  readonly timeoutMs: number;
}

export interface ClockMoment {
  readonly wallMs: number;
  /** The latest time of which we know that it is over. */
  readonly knownPastMs: number;
  /** A clock chip kept the time while the power was off. */
  readonly hasChip: boolean;
  /** What the machine itself says; `unsaid`: nothing. */
  readonly synchronised: 'yes' | 'no' | 'unsaid';
  /** Since the machine was booted. */
  readonly upMs: number;
  /** For how long the clock has not been trusted, by the monotonic one; null while it was. */
  readonly distrustedForMs: number | null;
}

export type ClockJudgement =
  | { readonly is: 'trusted' }
  /** Due times are held, for at most `believedInMs` more. */
  | { readonly is: 'suspect'; readonly why: string; readonly believedInMs: number }
  /** Nothing speaks for it but that the time-out is over. */
  | { readonly is: 'believed'; readonly why: string };

/** A clock that is steered goes back by less. */
const TOLERANCE_MS = 1_000;

/**
 * Whether the wall clock may decide that a time has come. Where the machine says that it is synchronised, it may. A clock that
 * stands before what we know to be over is suspect; so is one that no chip kept over the boot, while the machine says that
 * it is not synchronised.
 */
export function judgeClock(rules: ClockTrustRules, moment: ClockMoment): ClockJudgement {
  const { wallMs, knownPastMs, distrustedForMs, hasChip, synchronised, upMs } = moment;
  if (rules.trust === 'always' || synchronised === 'yes') return { is: 'trusted' };

  if (wallMs < knownPastMs - TOLERANCE_MS) {
    const why = `it says ${timeText(wallMs)}, and ${timeText(knownPastMs)} is over already`;
    return untilTimeout(why, rules.timeoutMs - (distrustedForMs ?? 0));
  }
  if (!hasChip && synchronised === 'no') {
    // A worker that is started later finds a clock that nothing has contradicted.
    if (upMs >= rules.timeoutMs && distrustedForMs === null) return { is: 'trusted' };
    const why = 'no clock chip kept it while the power was off, and it is not synchronised yet';
    return untilTimeout(why, rules.timeoutMs - upMs);
  }
  return { is: 'trusted' };
}

function untilTimeout(why: string, leftMs: number): ClockJudgement {
  return leftMs > 0 ? { is: 'suspect', why, believedInMs: leftMs } : { is: 'believed', why };
}

function timeText(wallMs: number): string {
  return new Date(wallMs).toISOString().replace(/\.\d+Z$/, 'Z');
}
