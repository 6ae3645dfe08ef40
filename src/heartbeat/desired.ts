import { writeFileAtomic } from '../platform/atomic-file.js';
import { freshNonce } from './nonce.js';
import { readStateFile, type StateFile } from './read-state-file.js';
import { oneOf, shapeOf, text } from './shape.js';
import { stateFiles } from './state-files.js';

/**
 * What a person last asked for. Kept on disk, and read before anything is started: so a `stop` cannot be undone by a
 * monitor that sees the worker go, nor by a worker that sees the monitor go.
 */
export interface Desired {
  readonly schema: 1;
  readonly desired: 'running' | 'stopped';
  /** New with each request: asking for `running` once more ends a back-off. */
  readonly request: string;
}

/** Returns the request, by which its maker can tell whether somebody has asked for anything else since. */
export function writeDesired(stateFolder: string, desired: Desired['desired']): string {
  const content: Desired = { schema: 1, desired, request: freshNonce() };
  writeFileAtomic(stateFiles(stateFolder).desired, `${JSON.stringify(content)}\n`);
  return content.request;
}

export function readDesired(stateFolder: string): StateFile<Desired> {
  return readStateFile<Desired>(stateFiles(stateFolder).desired, checkDesired);
}

/** True when somebody has asked for something since, or for nothing that can be read. */
export function isOvertaken(stateFolder: string, request: string): boolean {
  const file = readDesired(stateFolder);
  return file.status !== 'read' || file.content.request !== request;
}

const checkDesired = shapeOf<Desired>({
  schema: oneOf(1),
  desired: oneOf('running', 'stopped'),
  request: text,
});
