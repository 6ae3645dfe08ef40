import { isoTime } from '../platform/clock.js';
import { durationText, plural } from '../platform/duration-text.js';
import type { Outage } from '../store/read-contract.js';
import { escapeText } from './escape.js';
import type { Layout } from './screen-parts.js';
import { textWidth, truncateText } from './text-width.js';

/** One line of a screen for each outage that goes on: what is away, for how long, how much waits, when it is tried. */
export function outageLines(
  outages: readonly Outage[],
  nowMs: number,
  { columns, paint }: Pick<Layout, 'columns' | 'paint'>,
): string[] {
  return outages.map((outage) => {
    const { dependency, sinceMs, held, cause } = outage;
    const head = `⚡ ${escapeText(dependency)} is away for ${durationText(ageMs(sinceMs, nowMs))}`;
    const parts = [head, waitText(held), trialText(outage, nowMs)].join(' · ');
    return `${paint(parts, 'yellow')}: ${truncateText(escapeText(cause), Math.max(20, columns - textWidth(parts) - 2))}`;
  });
}

/** All that is known of one outage, for `dogged outages`. */
export function outageParagraph(outage: Outage, nowMs: number, { paint, remedy }: Layout): string {
  const { id, dependency, sinceMs, untilMs, cause, held, evidence, casualties, trial } = outage;
  const name = escapeText(dependency);
  const head =
    untilMs === null
      ? `${paint('ongoing', 'yellow')} for ${durationText(ageMs(sinceMs, nowMs))}, since ${isoTime(sinceMs)}`
      : `closed after ${durationText(untilMs - sinceMs)}, ${isoTime(sinceMs)} to ${isoTime(untilMs)}`;
  const lines = [`#${id}  ${paint(name, 'bold')}  ${head}`, `    why:   ${escapeText(cause)}`];
  if (trial === null) {
    lines.push(`    held:  ${plural(held, 'job')} waited for it`, `    over:  ${escapeText(evidence ?? '')}`);
  } else {
    lines.push(`    held:  ${waitText(held)}`, `    next:  ${trialText(outage, nowMs)}`);
    if (trial.lastFailure !== null) lines.push(`    last:  ${escapeText(trial.lastFailure)}`);
  }
  if (casualties > 0) {
    const died = plural(casualties, 'job');
    lines.push(`    cost:  ${died} failed for good meanwhile: ${remedy(`dogged retry --outage ${id}`)}`);
  }
  return `${lines.join('\n')}\n`;
}

function waitText(held: number): string {
  return held === 0 ? 'no job waits' : plural(held, 'job waits', 'jobs wait');
}

/** When it is tried again. */
export function trialText({ trial }: Pick<Outage, 'trial'>, nowMs: number): string {
  const leftMs = (trial?.retryAtMs ?? nowMs) - nowMs;
  return leftMs > 0 ? `next try in ${durationText(leftMs)}` : 'the next try decides';
}

/** A wall clock may have been set back since. */
function ageMs(sinceMs: number, nowMs: number): number {
  return Math.max(0, nowMs - sinceMs);
}
