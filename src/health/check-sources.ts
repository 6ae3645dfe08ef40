import { accessSync, constants, statSync } from 'node:fs';
import { type Check, type CheckResult, result } from './check.js';

/** Handed in: health loads no config. */
export interface SourcePlace {
  readonly name: string;
  readonly kind: 'directory' | 'log' | 'schedule' | 'every';
  readonly path: string;
  /** A mount may never answer, and is not touched from here. */
  readonly network: boolean;
}

/** Whether each file and folder can be read by this user; a line only for what cannot. */
export function sourceFilesCheck(readSources: () => Promise<readonly SourcePlace[]>): Check {
  return {
    name: 'source-files',
    run: async () => (await readSources()).filter(({ network }) => !network).flatMap(checkPlace),
  };
}

function checkPlace({ name, kind, path }: SourcePlace): CheckResult[] {
  // It stands in the config, which has a check of its own.
  if (kind === 'every') return [];
  const say = (status: CheckResult['status'], text: string) => [
    result(`source-file:${name}`, `Source ${name}`, status, text, `ls -ld ${path}`),
  ];
  try {
    const stat = statSync(path);
    if (kind === 'directory' && !stat.isDirectory()) return say('warning', `${path} is no folder`);
    if (kind !== 'directory' && stat.isDirectory()) return say('warning', `${path} is a folder, and no file`);
    accessSync(path, kind === 'directory' ? constants.R_OK | constants.X_OK : constants.R_OK);
    return [];
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A file that nobody has begun yet is nothing wrong; a folder that is gone is.
    if (code === 'ENOENT') return kind !== 'directory' ? [] : say('warning', `there is no folder ${path}`);
    return say('warning', `${path} cannot be read (${code})`);
  }
}
