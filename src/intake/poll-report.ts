import { relative } from 'node:path';
import type { SourceConfig } from '../config/config.js';
import type { Log } from '../platform/log.js';
import { VERSIONS_AN_HOUR } from '../store/intake-contract.js';
import type { PollTally } from './tally.js';

const HELD = `records that changed more than ${VERSIONS_AN_HOUR} times within an hour are held back: who writes them, a handler of their own?`;

/** Says what a poll came to: one line for what was found, and a warning for each thing that a person should look at. */
export function reportPoll(
  source: SourceConfig,
  cycle: string,
  { tally, paths }: { readonly tally: PollTally; readonly paths: ReadonlySet<string> },
  log: Log,
): void {
  if (!tally.isNews) return;
  const fields = { source: source.name, cycle, ...tally.counts() };
  const place = placeName(source, paths);
  if (tally.seen > tally.rejected || tally.gone > 0)
    log.info(fields, `✅ Loaded tasks from ${place}: ${tally.describe()}`);
  if (tally.of('held') > 0) {
    log.warn(fields, `${place}: ${HELD}; \`dogged jobs --source ${source.name}\` names the keys`);
  }
  if (tally.repeated > 0) log.warn(fields, `${place}: ${tally.describeRepeated(source.onChange)}`);
  if (tally.rejected === 0) return;
  log.warn(
    fields,
    `${place}: ${tally.describeRejects()}; \`dogged rejects --source ${source.name}\` says why, and what to do`,
  );
}

function placeName(source: SourceConfig, paths: ReadonlySet<string>): string {
  const [only] = paths;
  if (source.kind === 'every') return `the config (${source.name})`;
  if (source.kind !== 'directory' || only === undefined) return source.path;
  if (paths.size === 1) return only;
  return `${source.path} (${paths.size} files, among them ${relative(source.path, only)})`;
}
