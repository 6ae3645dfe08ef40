// Puts what `dogged status` loads into one file. Opening 75 small modules takes longer than all that they do, and
// status is asked by scripts, prompts and people who wait. Everything else in dist/ stays as the compiler wrote it.
// usage: node scripts/flatten.mjs DIST
import { join, relative, resolve } from 'node:path';

const dist = resolve(process.argv[2] ?? 'dist');
const entry = join(dist, 'cli.js');

/** Loaded lazily, but always by status: worth being in the one file. */
const LAZY_BUT_NEEDED = ['commands/status.js', 'store/sqlite/open.js'];
/** Loaded once by whoever needs it: `instanceof DoggedError` must mean the same class everywhere. */
const SHARED = ['job/errors.js'];
/** A dozen small files. Its compiled part stays where it is. */
const INLINED_PACKAGES = ['better-sqlite3'];

const rolldown = await loadRolldown();
if (rolldown === null) {
  console.error('flatten: there is no rolldown for this machine; dogged status starts a little slower');
  process.exit(0);
}
const bundle = await rolldown({
  input: entry,
  platform: 'node',
  plugins: [{ name: 'leave-the-rest-alone', resolveId }],
  onLog(level, log, handle) {
    if (level === 'warn') throw new Error(log.message);
    handle(level, log);
  },
});
const { output } = await bundle.write({ file: entry, format: 'esm', codeSplitting: false, comments: false });
console.log(`flattened ${output[0].moduleIds.length} modules into ${relative(process.cwd(), entry)}`);

async function loadRolldown() {
  try {
    return (await import('rolldown')).rolldown;
  } catch (error) {
    // Its compiled part is an optional package: not every machine has one.
    if (/binding|ERR_MODULE_NOT_FOUND/i.test(`${error.code} ${error.message}`)) return null;
    throw error;
  }
}

function resolveId(source, importer, { kind }) {
  if (importer === undefined || INLINED_PACKAGES.includes(source)) return null;
  if (!source.startsWith('.')) return { id: source, external: true };
  const path = resolve(importer, '..', source);
  const name = relative(dist, path);
  const leftAlone = SHARED.includes(name) || (kind === 'dynamic-import' && !LAZY_BUT_NEEDED.includes(name));
  return leftAlone ? { id: `./${name}`, external: true } : null;
}
