import { readFileSync, rmSync } from 'node:fs';
import { writeFileAtomic } from '../platform/atomic-file.js';
import { identifyProcess, isRunning, type ProcessIdentity } from '../platform/process-identity.js';
import { freshNonce } from './nonce.js';
import { parseStateFile, type StateFile } from './read-state-file.js';
import { count, shapeOf, text } from './shape.js';

/** A process of ours. The nonce is its own secret name: it ties pid file, heartbeat and life line to one process. */
export interface NamedIdentity extends ProcessIdentity {
  readonly nonce: string;
}

/** The identity of this process, with a fresh nonce. */
export function nameThisProcess(): NamedIdentity {
  const identity = identifyProcess(process.pid);
  if (identity === null) throw new Error('this process is not to be found in /proc');
  return { ...identity, nonce: freshNonce() };
}

/** First line: the pid, for people and scripts. Second line: what proves that the pid still means this process. */
export function writePidFile(path: string, identity: NamedIdentity): void {
  const { bootId, pid, startTicks, nonce } = identity;
  writeFileAtomic(path, `${pid}\n${JSON.stringify({ bootId, pid, startTicks, nonce })}\n`);
}

/** What the file says. It may name a process that is long gone: see `runningProcess`. */
export function readPidFile(path: string): StateFile<NamedIdentity> {
  return parseStateFile(() => readFileSync(path, 'utf8').split('\n')[1] ?? '', checkIdentity);
}

/** The process that the file names, if exactly that one runs. Null for a missing, damaged or outlived file. */
export function runningProcess(path: string): NamedIdentity | null {
  const file = readPidFile(path);
  return file.status === 'read' && isRunning(file.content) ? file.content : null;
}

/** Removes the file if it is ours: a successor may already have written its own. */
export function removePidFile(path: string, own: NamedIdentity): void {
  const file = readPidFile(path);
  if (file.status === 'read' && file.content.nonce === own.nonce) rmSync(path, { force: true });
}

const checkIdentity = shapeOf<NamedIdentity>({
  bootId: text,
  pid: count,
  startTicks: count,
  nonce: text,
});
