import { delimiter, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TaskConfig } from '../config/config.js';
import type { Claim } from '../store/contract.js';

/** What a child may see of our own environment: enough to find programs, a home, a language and a sound device. */
const ALLOWED = /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR|XDG_RUNTIME_DIR)$/;

/** What every child of ours carries, and its descendants with it, so that a sweep can find them. */
export interface ChildMark {
  /** Id of the store, made once: tells our children from those of another state folder. */
  readonly storeId: string;
  /** Random for each run of the worker: tells what is left of a dead one. */
  readonly nonce: string;
}

export const MARK_VARIABLES = {
  storeId: 'DOGGED_STORE_ID',
  nonce: 'DOGGED_WORKER_NONCE',
  child: 'DOGGED_CHILD',
  job: 'DOGGED_JOB_ID',
  task: 'DOGGED_TASK',
} as const;

/** The allowed part of our own environment. The folder of this Node stands last in PATH, so `node` is always found. */
export function inheritedEnvironment(own: NodeJS.ProcessEnv): Readonly<Record<string, string>> {
  const inherited: Record<string, string> = {};
  for (const [name, value] of Object.entries(own)) {
    if (value !== undefined && ALLOWED.test(name)) inherited[name] = value;
  }
  const nodeFolder = dirname(process.execPath);
  const path = inherited['PATH'] ?? '/usr/local/bin:/usr/bin:/bin';
  inherited['PATH'] = path.split(delimiter).includes(nodeFolder) ? path : `${path}${delimiter}${nodeFolder}`;
  return inherited;
}

/** This program itself, executable, so that a handler can call `"$DOGGED_BIN" append FILE` wherever dogged is installed. */
const DOGGED_BIN = fileURLToPath(new URL('../cli.js', import.meta.url));

/** What a child that belongs to no one job is told; a service hears of each job with its request. */
export function taskEnvironment(
  task: Pick<TaskConfig, 'name' | 'env'>,
  stateFolder: string,
): Record<string, string> {
  return { ...task.env, DOGGED_TASK: task.name, DOGGED_STATE_DIR: stateFolder, DOGGED_BIN };
}

/** What the one child of an attempt is told. */
export function attemptEnvironment(
  claim: Claim,
  task: TaskConfig,
  stateFolder: string,
): Record<string, string> {
  return {
    ...taskEnvironment(task, stateFolder),
    DOGGED_JOB_ID: claim.id,
    // The only value here that a stranger writes; a NUL would keep the child from starting.
    DOGGED_KEY: claim.key.replaceAll('\0', '\uFFFD'),
    DOGGED_SOURCE: claim.source ?? '',
    DOGGED_ATTEMPT: String(claim.attempt),
    DOGGED_WORKSPACE: claim.workspace,
  };
}
