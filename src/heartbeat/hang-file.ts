import { readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { writeFileAtomic } from '../platform/atomic-file.js';
import type { Breadcrumb } from '../platform/breadcrumb.js';
import { readStateFile } from './read-state-file.js';
import { amount, count, listOf, oneOf, orNull, shapeOf, text } from './shape.js';

/** Where the event loop of a worker stood still. Names and positions only: no values, no arguments, no environment. */
export interface Hang {
  readonly schema: 1;
  readonly at: string;
  readonly pid: number;
  readonly nonce: string;
  /** For how long the loop had not turned when this was written. */
  readonly stoodMs: number;
  /** What the loop was about to do when it last said so. */
  readonly lastStep: Breadcrumb;
  /** The record that it was looking at; null for any other step. */
  readonly record: HungBytes | null;
  readonly thread: BlockedThread;
  /** Of the main thread, innermost first; empty where it runs no JavaScript that can be paused: then `noStack` says why. */
  readonly stack: readonly Frame[];
  readonly noStack: string | null;
  /** A false alarm: the loop turned again after it had stood for so long. Null while it stands. */
  readonly overAfterMs: number | null;
}

/** Names a record without telling it. */
export interface HungBytes {
  readonly path: string;
  /** SHA-256 of its bytes in the file, in hex. */
  readonly digest: string;
  readonly lengthBytes: number;
}

/** As `/proc/self/task/TID` tells it; a part that cannot be read is empty. */
export interface BlockedThread {
  /** R: it computes. S, D: it waits in the kernel. */
  readonly state: string;
  /** Where in the kernel. */
  readonly wchan: string;
  /** Number of the system call that it is in, with its name where we know it. */
  readonly syscall: string;
}

export interface Frame {
  readonly function: string;
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

const KEPT = 10;
const NAME = /^hang-.*\.json$/;

/** Writes `hang-TIME.json`, or replaces the one given; keeps the last ten. Returns its path. */
export function writeHang(stateFolder: string, hang: Hang): string {
  const path = join(stateFolder, `hang-${hang.at.replaceAll(':', '-')}.json`);
  writeFileAtomic(path, `${JSON.stringify(hang, null, 2)}\n`);
  for (const old of hangFiles(stateFolder).slice(0, -KEPT)) rmSync(join(stateFolder, old), { force: true });
  return path;
}

/** Names of the hang files, oldest first. */
export function hangFiles(stateFolder: string): readonly string[] {
  return readdirSync(stateFolder)
    .filter((name) => NAME.test(name))
    .sort();
}

export type FoundHang = Hang & { readonly file: string };

/** Null for one that was pruned meanwhile, or that cannot be read. */
export function readHang(stateFolder: string, name: string): FoundHang | null {
  const file = readStateFile<Hang>(join(stateFolder, name), checkHang);
  return file.status === 'read' ? { ...file.content, file: name } : null;
}

/** The place in a few words: `spin (gate.js:12), after intake.judge ideas.json at 120`. */
export function tellHang({ stack, thread, lastStep }: Hang): string {
  const frame = stack.find((one) => one.function !== '') ?? stack[0];
  const { step, detail, lengthBytes, offset } = lastStep;
  const place = frame
    ? `${frame.function || 'a function without a name'} (${basename(frame.file)}:${frame.line})`
    : thread.syscall !== ''
      ? `the system call ${thread.syscall}`
      : 'native code';
  const at = lengthBytes > 0 ? ` at ${offset}` : '';
  return `${place}, after ${step}${detail === '' ? '' : ` ${detail}`}${at}`;
}

const checkHang = shapeOf<Hang>({
  schema: oneOf(1),
  at: text,
  pid: count,
  nonce: text,
  stoodMs: amount,
  lastStep: shapeOf<Breadcrumb>({ step: text, detail: text, offset: amount, lengthBytes: amount }),
  record: orNull(shapeOf<HungBytes>({ path: text, digest: text, lengthBytes: count })),
  thread: shapeOf<BlockedThread>({ state: text, wchan: text, syscall: text }),
  stack: listOf(shapeOf<Frame>({ function: text, file: text, line: count, column: count })),
  noStack: orNull(text),
  overAfterMs: orNull(amount),
});
