import { DoggedError } from '../../job/errors.js';
import { isWorkspaceId, JOB_STATES, type JobId, type JobState } from '../../job/job.js';
import { PREFIX } from '../bullmq/scripts.js';

/** Keys of the mirror of one workspace: no other workspace has any of them. */
export interface MirrorKeys {
  /** A hash: all that is kept of one job. */
  readonly job: (id: JobId) => string;
  /** Sets of ids, in the order of `JOB_STATES`: each job stands in that of its state. */
  readonly states: readonly string[];
  /** A sorted set: jobs that are no more, by the revision at which they went. */
  readonly gone: string;
}

/** Throws WORKSPACE_INVALID for what is no workspace id: its keys would be where nobody looks. */
export function mirrorKeys(mirror: string, workspace: string): MirrorKeys {
  if (!isWorkspaceId(workspace)) throw new DoggedError('WORKSPACE_INVALID', { workspace: workspace ?? '' });
  const prefix = `${mirrorPrefix(mirror)}${workspace}:`;
  return {
    job: (id) => `${prefix}job:${id}`,
    states: JOB_STATES.map((state) => `${prefix}state:${state}`),
    gone: `${prefix}gone`,
  };
}

export function mirrorPrefix(mirror: string): string {
  return `${PREFIX}:mirror:${mirror}:`;
}

/** Its being there says that Redis has lost nothing, and that the mirror is still wanted: without it nothing is written. */
export function markKey(mirror: string): string {
  return `${mirrorPrefix(mirror)}mark`;
}

export type KeyMeaning =
  | { readonly kind: 'job'; readonly workspace: string; readonly id: JobId }
  | { readonly kind: 'state'; readonly workspace: string; readonly state: JobState };

/** What a key of the mirror is for; null: neither a job nor an index of jobs. */
export function meaningOf(mirror: string, key: string): KeyMeaning | null {
  const [workspace = '', kind, name = '', ...rest] = key.slice(mirrorPrefix(mirror).length).split(':');
  if (rest.length > 0 || !isWorkspaceId(workspace)) return null;
  if (kind === 'job') return { kind, workspace, id: name };
  const state = JOB_STATES.find((one) => one === name);
  return kind === 'state' && state !== undefined ? { kind, workspace, state } : null;
}
