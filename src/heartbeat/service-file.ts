import { existsSync, rmSync } from 'node:fs';
import { writeFileAtomic } from '../platform/atomic-file.js';
import { readStateFile } from './read-state-file.js';
import { oneOf, shapeOf, text } from './shape.js';
import { stateFiles } from './state-files.js';

/** Which systemd unit runs the monitor of this state folder. */
export interface InstalledService {
  readonly schema: 1;
  readonly unit: string;
  readonly manager: 'user' | 'system';
  /** The unit's own file. */
  readonly file: string;
}

export function writeService(stateFolder: string, service: Omit<InstalledService, 'schema'>): void {
  const content: InstalledService = { schema: 1, ...service };
  writeFileAtomic(stateFiles(stateFolder).service, `${JSON.stringify(content)}\n`);
}

export function forgetService(stateFolder: string): void {
  rmSync(stateFiles(stateFolder).service, { force: true });
}

/** null when none is installed, also when somebody removed its unit by hand. */
export function installedService(stateFolder: string): InstalledService | null {
  const file = readStateFile<InstalledService>(stateFiles(stateFolder).service, checkService);
  return file.status === 'read' && existsSync(file.content.file) ? file.content : null;
}

const checkService = shapeOf<InstalledService>({
  schema: oneOf(1),
  unit: text,
  manager: oneOf('user', 'system'),
  file: text,
});
