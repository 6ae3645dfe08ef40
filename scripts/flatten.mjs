// Puts what a program loads into one file: `dogged status`, the live screen of `dogged queue`, the worker, its hang guard
// and the health monitor. Opening 75 small modules takes longer than all that they do, and ink opens 200 more; a person
// waits for the first two. The other three run for months, and each module that is loaded by itself costs memory: the
// worker takes 14 MiB less from one file. Everything else in dist/ stays as the compiler wrote it.
// usage: node scripts/flatten.mjs DIST
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';

const dist = resolve(process.argv[2] ?? 'dist');

const SCREEN = 'commands/watch-queue.js';
/**
 * Each with what of ours it loads lazily, but always: worth being in the one file; and with the packages that are put in,
 * with all that they need. The compiled part of better-sqlite3 stays where it is.
 */
const ENTRIES = {
  'cli.js': { needed: ['commands/status.js', 'store/sqlite/open.js'], packages: ['better-sqlite3'] },
  [SCREEN]: { needed: ['store/sqlite/open.js'], packages: ['better-sqlite3', 'ink', 'react'] },
  'worker.js': {
    needed: readdirSync(join(dist, 'store/sqlite')).map((name) => `store/sqlite/${name}`),
    packages: ['better-sqlite3', 'execa', 'p-queue', 'pino', 'yaml', 'zod'],
  },
  'heartbeat/guard-thread.js': { needed: [], packages: [] },
  'health-monitor.js': { needed: [], packages: [] },
};
/** Loaded once by whoever needs it: `instanceof DoggedError` must mean the same class everywhere. */
const SHARED = ['job/errors.js'];
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
for (const [name, parts] of Object.entries(ENTRIES)) await flatten(name, parts);

async function flatten(name, parts) {
  const entry = join(dist, name);
  const bundle = await rolldown({
    input: entry,
    platform: 'node',
    transform: { define: name === SCREEN ? DEFINED : {} },
    plugins: [
      {
        name: 'leave-the-rest-alone',
        resolveId: (source, importer, { kind }) => resolveId(entry, parts, source, importer, kind),
        load: (id) => REPLACED.find(({ module }) => module.test(id))?.by ?? withOwnPlace(id, entry),
      },
    ],
    onLog(level, log, handle) {
      if (level === 'warn') throw new Error(log.message);
      handle(level, log);
    },
  });
  const { output } = await bundle.generate({
    file: entry,
    format: 'esm',
    codeSplitting: false,
    comments: false,
    sourcemap: 'hidden',
  });
  const [{ code, map, moduleIds }] = output;
  writeFileSync(entry, inAscii(code));
  // Whoever finds the worker's loop blocked names the module.
  if (name === 'worker.js') writeFileSync(`${entry}.places`, JSON.stringify(placesOf(code, map)));
  console.log(`flattened ${moduleIds.length} modules into ${relative(process.cwd(), entry)}`);
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

/** What a module finds from its own place is not beside the one file. */
function withOwnPlace(id, entry) {
  if (!id.startsWith(dist) || id === entry) return null;
  const place = `new URL(${JSON.stringify(`./${relative(dirname(entry), id)}`)}, import.meta.url).href`;
  return readFileSync(id, 'utf8').replaceAll(/\bimport\.meta\.url\b/g, place);
}

/** As `heartbeat/frame-places.ts` reads it: an entry for each stretch of lines that were put in without a change. */
function placesOf(code, map) {
  const sources = new SourceMap(map);
  const lines = [];
  let last = [];
  for (const [index, text] of code.split('\n').entries()) {
    const entry = sources.findEntry(index, Math.max(0, text.search(/\S/)));
    if (entry.generatedLine !== index) continue;
    const module = map.sources.indexOf(entry.originalSource);
    const line = entry.originalLine - index;
    const columnsMore = entry.originalColumn - entry.generatedColumn;
    if (last[0] === module && last[1] === line && last[2] === columnsMore) continue;
    last = [module, line, columnsMore];
    lines.push([index + 1, module, entry.originalLine + 1, columnsMore]);
  }
  return { modules: map.sources, lines };
}

/** V8 keeps the text of a program in memory, with two bytes for each character as soon as one of them needs two. */
function inAscii(code) {
  if (/(\\|String\.raw`[^`]*)[^\0-\x7f]/.test(code)) throw new Error('flatten: raw text cannot be escaped');
  return code.replaceAll(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function resolveId(entry, { needed, packages }, source, importer, kind) {
  const isOurs = importer?.startsWith(dist) === true;
  if (!isOurs || packages.includes(source.split('/')[0])) return null;
  if (!source.startsWith('.')) return { id: source, external: true };
  const path = resolve(importer, '..', source);
  const name = relative(dist, path);
  const leftAlone = SHARED.includes(name) || (kind === 'dynamic-import' && !needed.includes(name));
  if (!leftAlone) return null;
  const from = relative(dirname(entry), path);
  return { id: from.startsWith('.') ? from : `./${from}`, external: true };
}
