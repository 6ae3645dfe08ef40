import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Inside the checkout, so that the packages are found. */
const cache = join(root, 'node_modules', '.cache', 'dogged-test');
const flatten = join(root, 'scripts', 'flatten.mjs');
const KEPT_MS = 60 * 60 * 1000;

let built: string | undefined;

/**
 * Path of a `cli.js` compiled from the sources as they are now, for tests that start real processes: put into few files, as
 * it is shipped, or left as the compiler wrote it. Compiles only when a source has changed, and never touches `dist/`, which
 * somebody may be running. Types are checked elsewhere.
 */
export function builtCli(form: 'dist' | 'unflattened' = 'dist'): string {
  built ??= build();
  return join(built, form, 'cli.js');
}

function build(): string {
  const folder = join(cache, fingerprint());
  if (existsSync(folder)) return folder;
  mkdirSync(cache, { recursive: true });
  const temp = mkdtempSync(join(cache, 'new-'));
  try {
    execFileSync(join(root, 'node_modules/.bin/tsc'), [
      '-p',
      root,
      '--outDir',
      join(temp, 'dist'),
      '--noCheck',
    ]);
    chmodSync(join(temp, 'dist', 'cli.js'), 0o755);
    cpSync(join(temp, 'dist'), join(temp, 'unflattened'), { recursive: true });
    execFileSync(process.execPath, [flatten, join(temp, 'dist')]);
    for (const name of ['package.json', 'templates', 'scripts'])
      symlinkSync(join(root, name), join(temp, name));
    renameSync(temp, folder);
  } catch (error) {
    rmSync(temp, { recursive: true, force: true });
    // Another test process may have been quicker with the same sources.
    if (!existsSync(folder)) throw error;
  }
  removeOldBuilds();
  return folder;
}

/** Every source file with its size and time of change, and what puts them together. */
function fingerprint(): string {
  const digest = createHash('sha256');
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).sort();
  for (const path of [flatten, ...sources.map((name) => join(root, 'src', name))]) {
    const { size, mtimeMs } = statSync(path);
    digest.update(`${path} ${size} ${mtimeMs}\n`);
  }
  return digest.digest('hex').slice(0, 16);
}

function removeOldBuilds(): void {
  for (const name of readdirSync(cache)) {
    const path = join(cache, name);
    const ageMs = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0);
    if (ageMs > KEPT_MS) rmSync(path, { recursive: true, force: true });
  }
}
