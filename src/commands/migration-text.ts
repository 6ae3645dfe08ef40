import { JOB_STATES } from '../job/job.js';
import { isoTime } from '../platform/clock.js';
import { countText, durationText, plural, sizeText } from '../platform/duration-text.js';
import type { MoveLook, MovePlan, OpenJobsReport } from '../store/move.js';
import { chosenStoreText, type Move } from '../store/move-contract.js';
import { painter } from '../view/colour.js';
import { escapeText } from '../view/escape.js';
import { moveJson } from '../view/move-json.js';
import { moveText } from '../view/move-text.js';
import type { MigrationStep } from './migration-steps.js';

/* What `dogged migrate` says. */

export function planJson(plan: MovePlan): object {
  const { machines, ...rest } = plan;
  return { step: 'plan', ...rest, machines: machines.map(({ site, seenMsAgo }) => ({ site, seenMsAgo })) };
}

/** What speaks against it is told by the refusal. */
export function planLines(plan: MovePlan): string[] {
  const { source, target, jobs, ready, payloadBytes, machines } = plan;
  const counted = JOB_STATES.filter((state) => jobs[state] > 0).map(
    (state) => `${countText(jobs[state])} ${state}`,
  );
  const others = machines.map(
    ({ site, seenMsAgo }) => `${escapeText(site)} (seen ${durationText(seenMsAgo)} ago)`,
  );
  return [
    `From ${escapeText(source)} to ${escapeText(target)}`,
    `  jobs      ${counted.join(', ') || 'none'}; payloads ${sizeText(payloadBytes)}`,
    `  Redis     ${redisText(plan)}`,
    `  machines  ${others.length === 0 ? 'no other on this Redis' : others.join(', ')}`,
    ...(target === 'sqlite' ? homeSteps(plan, ready) : thereSteps(plan, ready)),
    ...plan.warnings.map((warning) => `  ⚠️ ${escapeText(warning)}`),
  ];
}

function redisText({ redis, needsBytes, target }: MovePlan): string {
  const { version, usedBytes, mostBytes, keepsAppendOnlyFile } = redis;
  const used = `${sizeText(usedBytes)} used${mostBytes === null ? '' : ` of ${sizeText(mostBytes)}`}`;
  const needs = target === 'sqlite' ? '' : `; the move needs about ${sizeText(needsBytes)} more`;
  const aof = keepsAppendOnlyFile === null ? '' : `; append-only file ${keepsAppendOnlyFile ? 'on' : 'off'}`;
  return `version ${escapeText(version)}, ${used}${needs}${aof}`;
}

function thereSteps({ copyMs, verifyMs, cutoverMs, source, machines }: MovePlan, ready: number): string[] {
  const back =
    machines.length === 0
      ? 'until then: dogged migrate --rollback'
      : 'after the cutover there is no way back while other machines run with this Redis; before it: dogged migrate --rollback';
  return [
    `  dual      ${escapeText(source)} runs everything; each change is mirrored in Redis`,
    `  copy      what is there already, in about ${durationText(copyMs)}`,
    `  verify    both sides are held against each other, in about ${durationText(verifyMs)}`,
    `  cutover   ${plural(ready, 'ready job goes', 'ready jobs go')} there in about ${durationText(cutoverMs)}; claims pause for a moment, what runs ends where it is`,
    `  finish    the mirror is removed; ${back}`,
  ];
}

function homeSteps({ cutoverMs }: MovePlan, ready: number): string[] {
  return [
    `  cutover   ${plural(ready, 'ready job comes', 'ready jobs come')} home in about ${durationText(cutoverMs)}; claims go on meanwhile, what runs goes on here`,
    '  finish    nothing is left to remove',
  ];
}

export function openJobsText({ before, open, ended, compared }: OpenJobsReport): string {
  const held = `${plural(compared, 'job', 'jobs')} held against Redis`;
  if (before !== null)
    return `${plural(before, 'job was', 'jobs were')} open before: ${countText(open)} open now, ${countText(ended)} ended meanwhile, none is gone, ids and payload hashes are equal; ${held}`;
  return `done, ${compared === 0 ? '' : `${held}, `}but the open jobs were not held against those from before: they were counted by a command that has ended. Whether every record is accounted for says: dogged audit`;
}

/** `move`: as it is when that step is asked for. */
export function stoppedText(step: MigrationStep, { copyUntil, verifiedAtMs }: Move): string {
  const isPast =
    (step === 'dual' && copyUntil !== null) ||
    (step === 'copy' && copyUntil !== null && verifiedAtMs !== null);
  const first = isPast
    ? `The move is past ${step} already: ${verifiedAtMs === null ? 'the copy has begun' : 'both sides were compared'}.`
    : `Stopped after ${step}.`;
  return `${first} Go on with: dogged migrate. Take it back with: dogged migrate --rollback`;
}

export function statusJson({ move, current, chosen }: MoveLook): object {
  return { store: current, chosenStore: chosen?.store ?? null, move: move === null ? null : moveJson(move) };
}

export function statusLines({ move, current, chosen }: MoveLook, nowMs: number): string[] {
  const first =
    move === null
      ? `Nothing is being moved: jobs run from ${escapeText(current)}.`
      : `Jobs move ${moveText(move, nowMs, painter(false))} (since ${isoTime(move.startedAtMs)})`;
  return [first, ...(chosen === null ? [] : [escapeText(chosenStoreText(chosen.store))])];
}

/** What a move came to. */
export function doneLines({ current, chosen }: MoveLook): string[] {
  const config =
    chosen === null
      ? 'The config says so already.'
      : `Write this line into the config: store: ${escapeText(chosen.store)}`;
  return [`Done: jobs run from ${escapeText(current)}. ${config}`];
}
