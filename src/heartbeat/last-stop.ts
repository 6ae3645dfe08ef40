import { writeFileAtomic } from '../platform/atomic-file.js';
import { readStateFile, type StateFile } from './read-state-file.js';
import { listOf, oneOf, shapeOf, text } from './shape.js';
import { stateFiles } from './state-files.js';

/** A job that was still running when its worker's grace was over: it is pending again, uncharged. */
export interface CutOffJob {
  readonly id: string;
  readonly task: string;
  readonly key: string;
}

/** What a worker leaves behind when it has stopped in order; `dogged stop` tells it. */
export interface LastStop {
  readonly schema: 1;
  /** Of the worker that stopped: an older file says nothing about this stop. */
  readonly nonce: string;
  readonly cutOff: readonly CutOffJob[];
}

export function writeLastStop(stateFolder: string, nonce: string, cutOff: readonly CutOffJob[]): void {
  const content: LastStop = { schema: 1, nonce, cutOff };
  writeFileAtomic(stateFiles(stateFolder).lastStop, `${JSON.stringify(content)}\n`);
}

export function readLastStop(stateFolder: string): StateFile<LastStop> {
  return readStateFile<LastStop>(stateFiles(stateFolder).lastStop, checkLastStop);
}

const checkLastStop = shapeOf<LastStop>({
  schema: oneOf(1),
  nonce: text,
  cutOff: listOf(shapeOf<CutOffJob>({ id: text, task: text, key: text })),
});
