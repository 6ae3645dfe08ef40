import { JOB_STATES, type JobState } from '../../job/job.js';

/** What one side has of a workspace in one state. */
interface SideSum {
  readonly jobs: number;
  /** Hex. Of the digests of these jobs, in whatever order they came. */
  readonly hash: string;
}

/** Both sides, for one workspace and state. */
export interface ComparedState {
  readonly workspace: string;
  readonly state: JobState;
  readonly here: SideSum;
  readonly mirror: SideSum;
}

interface Sum {
  jobs: number;
  readonly hash: Buffer;
}

/** Counts and order-free hashes of both sides, added up job by job. */
export class SideSums {
  readonly #sums = new Map<string, { readonly here: Sum; readonly mirror: Sum }>();

  /** `state`: also one that no job can be in, as somebody may have written it into Redis. */
  add(side: 'here' | 'mirror', workspace: string, state: string, digest: string): void {
    const key = `${workspace}:${state}`;
    let both = this.#sums.get(key);
    if (both === undefined) {
      both = { here: nothing(), mirror: nothing() };
      this.#sums.set(key, both);
    }
    const sum = both[side];
    sum.jobs += 1;
    // SHA-256 of different jobs: nothing but the same set of them comes to the same.
    for (const [n, byte] of Buffer.from(digest, 'hex').entries()) sum.hash[n] = (sum.hash[n] ?? 0) ^ byte;
  }

  told(): readonly ComparedState[] {
    const told = [...this.#sums].map(([key, { here, mirror }]) => {
      const [workspace = '', state] = key.split(':');
      return { workspace, state: state as JobState, here: shown(here), mirror: shown(mirror) };
    });
    const order = ({ workspace, state }: ComparedState) => `${workspace}:${JOB_STATES.indexOf(state)}`;
    return told.sort((a, b) => (order(a) < order(b) ? -1 : 1));
  }
}

function nothing(): Sum {
  return { jobs: 0, hash: Buffer.alloc(32) };
}

function shown({ jobs, hash }: Sum): SideSum {
  return { jobs, hash: hash.toString('hex') };
}
