import { isoTime } from '../platform/clock.js';
import { sizeText } from '../platform/duration-text.js';
import type { HistoryEntry, JobDetails, JobSummary } from '../store/read-contract.js';

/** Payloads may have megabytes. */
const MOST_SHOWN = 4_096;

/** One failed job with its attempts; what it was given and what it printed only where that is asked for. */
export function failedJobText(
  job: JobSummary,
  details: JobDetails | null,
  { withPayloads }: { readonly withPayloads: boolean },
): string {
  const { id, task, source, key, charged, maxAttempts, createdAtMs, endedAtMs, reason, exitCode } = job;
  return [
    `#${id} ${task}, source ${source ?? 'none'}, key ${JSON.stringify(key)}`,
    `  made ${isoTime(createdAtMs)}, ended ${isoTime(endedAtMs)}, ${charged} of ${maxAttempts} attempts failed, exit ${exitCode}, ${reason}`,
    ...(details?.history ?? []).map((entry) => `  ${historyText(entry)}`),
    ...(withPayloads ? contentLines(job, details?.history ?? []) : []),
  ].join('\n');
}

function historyText(entry: HistoryEntry): string {
  if (entry.kind === 'event') return `${isoTime(entry.atMs)} ${entry.event}: ${entry.detail}`;
  const { attempt, atMs, endedAtMs, outcome, exitCode, signal, reason } = entry;
  const end = endedAtMs === null ? 'still runs' : `${endedAtMs - atMs} ms`;
  return `${isoTime(atMs)} attempt ${attempt}: ${outcome ?? 'none yet'}, ${end}, exit ${exitCode}, signal ${signal}, ${reason}`;
}

function contentLines({ payload }: JobSummary, history: readonly HistoryEntry[]): string[] {
  const last = history.findLast((entry) => entry.kind === 'attempt');
  return [
    `  payload: ${shortened(payload.bytes.toString())}`,
    `  stdout: ${shortened(last?.stdout ?? 'nothing')}`,
    `  stderr: ${shortened(last?.stderr ?? 'nothing')}`,
  ];
}

/** Cut with the mark before which the beginning of a secret is looked for. */
function shortened(text: string): string {
  if (text.length <= MOST_SHOWN) return text;
  return `${text.slice(0, MOST_SHOWN)}… (${sizeText(Buffer.byteLength(text))})`;
}
