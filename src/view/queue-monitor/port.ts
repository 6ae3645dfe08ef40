import type { JobId } from '../../job/job.js';
import type { JobDetails, JobSummary } from '../../store/read-contract.js';
import type { SystemSnapshot } from '../snapshot.js';
import type { JobPage, PageRequest } from './job-page.js';

/** What the live screen has of the world: it reads, and hands what a person wants done to the commands. */
export interface QueueMonitorPort {
  /** Never rejects: what cannot be read is missing, and the snapshot says why. */
  look(request: LookRequest): Promise<QueueLook>;
  /** True when another process has written since the last call. Never throws. */
  changed(): boolean;
  /** Does what the command of this name does, and gives its words back. Never rejects. */
  act(action: Action): Promise<Notice>;
}

export interface LookRequest {
  readonly page: PageRequest;
  /** The job that is shown with its output; null for none. */
  readonly open: JobId | null;
}

export interface QueueLook {
  readonly snapshot: SystemSnapshot;
  readonly page: JobPage;
  /** The newest dead letter. */
  readonly lastFailed: JobSummary | null;
  /** null: none was asked for, it is gone, or it cannot be read. */
  readonly open: JobDetails | null;
}

export type Action =
  | { readonly verb: 'retry' | 'cancel'; readonly job: JobId }
  | { readonly verb: 'pause' | 'resume'; readonly task: string };

/** What an action came to. */
export interface Notice {
  readonly text: string;
  readonly isBad: boolean;
}
