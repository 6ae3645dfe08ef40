import { readdirSync, statSync } from 'node:fs';
import type { SourceConfig } from '../config/config.js';

/** What is to be found now where a source will look, in a few words. Nothing there is no mistake: it may come later. */
export function sourceFileState(source: SourceConfig): string {
  if (source.kind === 'every') return 'its record stands in the config';
  try {
    const stat = statSync(source.path);
    if (source.kind === 'directory') {
      if (!stat.isDirectory()) return 'it is not a folder';
      const entries = readdirSync(source.path).length;
      return `it has ${entries} ${entries === 1 ? 'entry' : 'entries'}`;
    }
    return stat.isFile() ? `it has ${stat.size} bytes` : 'it is not a regular file';
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? 'it is not there yet' : `it cannot be read (${code ?? message})`;
  }
}
