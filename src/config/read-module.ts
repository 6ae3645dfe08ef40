import { statSync } from 'node:fs';
import { extname } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ConfigDocument, Problem } from './problem.js';

/**
 * Runs a JavaScript config and takes its default export. TypeScript works where Node itself strips types (22.18 and
 * later): a compiler of our own would weigh more than all the rest of the program.
 */
export async function readModule(file: string): Promise<ConfigDocument> {
  const isTypeScript = ['.ts', '.mts'].includes(extname(file));
  if (isTypeScript && !stripsTypes()) {
    return failed(
      `is TypeScript, which Node ${process.versions.node} does not run`,
      'rename it to .mjs (defineConfig gives types there too), or use Node 22.18 or newer',
    );
  }
  try {
    // A module is loaded once for each address: with its time of change, a changed file is read anew.
    const address = `${pathToFileURL(file).href}?changed=${statSync(file).mtimeMs}`;
    const module = (await import(address)) as { readonly default?: unknown };
    if (module.default === undefined) {
      return failed('has no default export', 'write: export default { sources: { … }, tasks: { … } }');
    }
    return { value: module.default, problems: [], isWhole: true, locate: () => null };
  } catch (error) {
    const { code, message } =
      error instanceof Error ? (error as NodeJS.ErrnoException) : { code: '', message: String(error) };
    const needsPackage = code === 'ERR_MODULE_NOT_FOUND' && message.includes("'dogged'");
    return failed(
      `cannot be run: ${message.split('\n')[0]}`,
      needsPackage ? 'install dogged in this folder, or export the plain object without defineConfig' : null,
    );
  }
}

function stripsTypes(): boolean {
  return 'typescript' in process.features && Boolean(process.features.typescript);
}

function failed(message: string, fix: string | null): ConfigDocument {
  const problem: Problem = { position: null, variable: null, path: '', message, fix };
  return { value: undefined, problems: [problem], isWhole: false, locate: () => null };
}
