// Puts what `dogged status` loads into one file, and what the live screen of `dogged queue` loads into another. Opening
// 75 small modules takes longer than all that they do, and ink opens 200 more; these two are what people wait for.
// Everything else in dist/ stays as the compiler wrote it.
// usage: node scripts/flatten.mjs DIST
import { dirname, join, relative, resolve } from 'node:path';

const dist = resolve(process.argv[2] ?? 'dist');

const SCREEN = 'commands/watch-queue.js';
/** Each with what it loads lazily, but always: worth being in the one file. */
const ENTRIES = {
  'cli.js': ['commands/status.js', 'store/sqlite/open.js'],
  [SCREEN]: ['store/sqlite/open.js'],
};
/** Loaded once by whoever needs it: `instanceof DoggedError` must mean the same class everywhere. */
const SHARED = ['job/errors.js'];
/** With all that they need. The compiled part of the first stays where it is. */
const INLINED_PACKAGES = ['better-sqlite3', 'ink', 'react'];
/**
 * Modules of packages that something else stands for. Ink's debugger needs packages that are not installed. To measure
 * text, ink compiles an expression of all emoji, which takes as long as Node takes to start; ours also gives the same
 * widths as those to which the lines were cut.
 */
const REPLACED = [
  { module: /[/\\]ink[/\\]build[/\\]devtools\.js$/, by: 'export {};' },
  {
    module: /[/\\]string-width[/\\]index\.js$/,
    by: `import { plainLine } from ${JSON.stringify(join(dist, 'view/fit-lines.js'))};
import { textWidth } from ${JSON.stringify(join(dist, 'view/text-width.js'))};
export default (text) => textWidth(plainLine(text));`,
  },
];
/** For the live screen alone: what else is in the one file of the command line may well fetch something. */
const DEFINED = {
  // Else both of React's builds are put in, and the slow one is used.
  'process.env.NODE_ENV': '"production"',
  // The layout engine would fetch itself from a data: address, for which Node loads its whole HTTP client.
  fetch: 'undefined',
};

const rolldown = await loadRolldown();
if (rolldown === null) {
  console.error('flatten: there is no rolldown for this machine; dogged status starts a little slower');
  process.exit(0);
}
for (const [name, needed] of Object.entries(ENTRIES)) await flatten(name, needed);

async function flatten(name, needed) {
  const entry = join(dist, name);
  const bundle = await rolldown({
    input: entry,
    platform: 'node',
    transform: { define: name === SCREEN ? DEFINED : {} },
    plugins: [
      {
        name: 'leave-the-rest-alone',
        resolveId: (source, importer, { kind }) => resolveId(entry, needed, source, importer, kind),
        load: (id) => REPLACED.find(({ module }) => module.test(id))?.by ?? null,
      },
    ],
    onLog(level, log, handle) {
      if (level === 'warn') throw new Error(log.message);
      handle(level, log);
    },
  });
  const { output } = await bundle.write({
    file: entry,
    format: 'esm',
    codeSplitting: false,
    comments: false,
  });
  console.log(`flattened ${output[0].moduleIds.length} modules into ${relative(process.cwd(), entry)}`);
}

async function loadRolldown() {
  try {
    return (await import('rolldown')).rolldown;
  } catch (error) {
    // Its compiled part is an optional package: not every machine has one.
    if (/binding|ERR_MODULE_NOT_FOUND/i.test(`${error.code} ${error.message}`)) return null;
    throw error;
  }
}

function resolveId(entry, needed, source, importer, kind) {
  const isOurs = importer?.startsWith(dist) === true;
  if (!isOurs || INLINED_PACKAGES.includes(source) || source.startsWith('react/')) return null;
  if (!source.startsWith('.')) return { id: source, external: true };
  const path = resolve(importer, '..', source);
  const name = relative(dist, path);
  const leftAlone = SHARED.includes(name) || (kind === 'dynamic-import' && !needed.includes(name));
  if (!leftAlone) return null;
  const from = relative(dirname(entry), path);
  return { id: from.startsWith('.') ? from : `./${from}`, external: true };
}
