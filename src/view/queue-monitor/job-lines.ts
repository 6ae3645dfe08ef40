import type { JobDetails } from '../../store/read-contract.js';
import { foldLine } from '../fit-lines.js';
import { jobScreen } from '../job-screen.js';
import type { Layout } from '../screen-parts.js';
import type { SystemSnapshot } from '../snapshot.js';
import { waitingFor } from '../waiting-for.js';

const TAB = '    ';

/** A job with its attempts and their output, as `dogged job` shows it, folded into the width of the terminal. */
export function jobLines(job: JobDetails, snapshot: SystemSnapshot, layout: Layout): string[] {
  const waits = waitingFor(job, snapshot);
  return jobScreen(job, waits, snapshot.takenAtMs, layout)
    .flatMap((text) => text.split('\n'))
    .flatMap((line) => foldLine(line.replaceAll('\t', TAB), layout.columns));
}
