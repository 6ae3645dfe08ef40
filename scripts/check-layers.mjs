// Holds the imports of src/ against the layers that src/README.md draws. Each ban says why it is there.
// usage: node scripts/check-layers.mjs [ROOT]        exit 1 and one line for each breach
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), '..');
const source = join(root, 'src');

/** What each folder may import beside itself. `platform` is open to all and imports nothing of ours. */
const MAY_IMPORT = {
  platform: [],
  job: ['platform'],
  policy: ['job', 'heartbeat/beat'],
  trace: ['job', 'platform'],
  config: ['job', 'platform'],
  store: ['trace', 'job', 'platform'],
  intake: [
    'store/intake-contract',
    'store/contract',
    'store/read-contract',
    'store/verdict',
    'trace',
    'policy',
    'job',
    'config/config',
    'platform',
  ],
  dispatch: [
    'store/breaker-contract',
    'store/contract',
    'store/read-contract',
    'trace',
    'policy',
    'job',
    'config/config',
    'heartbeat/beat',
    'platform',
  ],
  heartbeat: ['job', 'config/config', 'platform'],
  // What an alert says is shown, and when the disk is low is decided, as everywhere else.
  health: ['heartbeat', 'job', 'config/config', 'view/escape', 'policy/pressure', 'platform'],
  upkeep: [
    'store/contract',
    'store/read-contract',
    'heartbeat',
    'policy',
    'job',
    'config/config',
    'platform',
  ],
  view: [
    'store/contract',
    'store/read-contract',
    'store/move-contract',
    'store/trace-contract',
    'trace',
    'heartbeat',
    'policy',
    'job',
    'config/config',
    'platform',
  ],
  // One set of figures: from the worker, and from what screens and diagnosis read.
  metrics: [
    'store/contract',
    'store/move-contract',
    'store/read-contract',
    'heartbeat',
    'health/tally',
    'view/worker-look',
    'view/escape',
    'policy/pressure',
    'policy/kept-ends',
    'job',
    'config/config',
    'platform',
  ],
  commands: [
    'config',
    'view',
    'health',
    'heartbeat',
    'metrics',
    'store/open',
    'store/care',
    'store/engine',
    'store/contract',
    'store/read-contract',
    'store/trace-contract',
    'store/move',
    'store/move-contract',
    'trace',
    'intake/admit',
    // Audits and reconciliations read the files themselves, whether a worker runs or not.
    'intake/account-book',
    'intake/file-access',
    'intake/intake',
    'intake/reconcile',
    'intake/step',
    'intake/take-account',
    'policy/limits',
    'job',
    'platform',
    'worker',
    'health-monitor',
  ],
  worker: [
    'config',
    'intake',
    'dispatch',
    'upkeep',
    'heartbeat',
    'metrics',
    'store/open',
    'store/care',
    'store/engine',
    'store/contract',
    'store/read-contract',
    'store/move',
    'store/move-contract',
    'trace',
    'job',
    'platform',
  ],
  'health-monitor': ['health', 'heartbeat', 'job', 'platform'],
  cli: ['commands', 'job', 'platform'],
  index: ['config', 'job', 'dispatch/module-context'],
};

/** Bans that the table cannot say, each with its reason. `lazily` lets `await import()` pass. */
const BANS = [
  { from: /^(?!store\/sqlite\/)/, what: /^better-sqlite3$/, why: 'only the SQLite engine knows SQLite' },
  {
    from: /^(?!store\/bullmq\/)/,
    what: /^(bullmq|ioredis)(\/|$)/,
    why: 'only the BullMQ engine knows Redis, and only who uses it pays for loading it',
  },
  {
    from: /^(?!store\/bullmq\/(remote|turn|rescue|redis-link|queues|claims|take|ends|relay|trouble|unbegun)|store\/mirror\/work)/,
    what: /^store\/(bullmq\/(remote|turn|rescue|redis-link|queues|claims|take|ends|relay|trouble|unbegun)|mirror\/work)$/,
    why: 'these load BullMQ or its driver, which takes longer than dogged status may: only who speaks with Redis does',
    lazily: true,
  },
  {
    from: /^(?!config\/)/,
    what: /^(zod|yaml)(\/|$)/,
    why: 'zod takes 14 MiB and 45 ms: only the config and its loader pay for it',
    lazily: true,
  },
  {
    from: /^(health-monitor|health|heartbeat)/,
    what: /^(commander|execa|zod|yaml|better-sqlite3)(\/|$)/,
    why: 'the monitor process must stay small',
    lazily: true,
  },
  { from: /^(?!commands\/|cli)/, what: /^commander(\/|$)/, why: 'only the command line parses arguments' },
  { from: /^(?!dispatch\/)/, what: /^(execa|p-queue)(\/|$)/, why: 'only dispatch runs jobs' },
  {
    from: /^(?!view\/queue-monitor\/)/,
    what: /^(ink|react)(\/|$)/,
    why: 'only the live screen draws with ink, which takes longer to load than dogged status to run',
  },
  {
    from: /^(?!view\/queue-monitor\/|commands\/watch-queue)/,
    what: /^(view\/queue-monitor\/(open-queue-monitor|queue-monitor|lines|use-)|commands\/watch-queue)/,
    why: 'ink is loaded by who opens the live screen, on a terminal',
    lazily: true,
  },
  {
    from: /^/,
    what: /^prom-client/,
    why: 'only metrics/render writes with it, and when somebody reads',
    lazily: true,
  },
  { from: /^view\//, what: /store\/open/, why: 'views are handed the read half of a store' },
];

/** Text that may stand in one file only. */
const WORDS = [
  {
    pattern: /\b(Date\.now|performance\.now|process\.hrtime)\b/,
    only: /^platform\/clock\.ts$/,
    why: 'the clock is injected',
  },
  { pattern: /catch\s*(\([^)]*\))?\s*\{\s*\}/, only: /^$/, why: 'no error is dropped' },
];
const NAMES = /(^|\/)(utils?|helpers?|common|types|misc)(\.ts|\/)/;
const LONGEST_FILE = 320;

const breaches = [];
const graph = new Map();
for (const path of sourceFiles(source)) {
  const name = relative(source, path);
  const text = readFileSync(path, 'utf8');
  if (NAMES.test(name)) breaches.push(`${name}: a name that says nothing; name the file for its one purpose`);
  const lines = text.split('\n').length - 1;
  if (lines > LONGEST_FILE) breaches.push(`${name}: ${lines} lines; over ${LONGEST_FILE} it wants to be two`);
  if (/^export \* from/m.test(text)) breaches.push(`${name}: a barrel hides who needs what`);
  for (const { pattern, only, why } of WORDS) {
    if (!only.test(name) && pattern.test(withoutComments(text)))
      breaches.push(`${name}: ${pattern.source}: ${why}`);
  }
  graph.set(name.replace(/\.tsx$/, '.ts'), checkImports(name, text));
}
for (const circle of circles(graph)) breaches.push(`circle: ${circle.join(' → ')}`);

for (const breach of breaches) console.error(breach);
console.log(`layers: ${graph.size} files, ${breaches.length} breaches`);
process.exit(breaches.length > 0 ? 1 : 0);

function checkImports(name, text) {
  const ours = [];
  for (const { target, lazy, typeOnly } of importsOf(text)) {
    const resolved = target.startsWith('.')
      ? normalize(join(dirname(name), target)).replace(/\.js$/, '')
      : target;
    for (const ban of BANS) {
      if (ban.from.test(name) && ban.what.test(resolved) && !(lazy && ban.lazily) && !typeOnly) {
        breaches.push(`${name} imports ${resolved}: ${ban.why}`);
      }
    }
    if (!target.startsWith('.')) continue;
    if (!lazy && !typeOnly) ours.push(`${resolved}.ts`);
    const from = name.includes('/') ? name.slice(0, name.indexOf('/')) : name.replace(/\.ts$/, '');
    const allowed = MAY_IMPORT[from];
    if (allowed === undefined) {
      breaches.push(`${name}: "${from}" has no place in the layers; give it one in scripts/check-layers.mjs`);
    } else if (
      !resolved.startsWith(`${from}/`) &&
      !allowed.some((a) => resolved === a || resolved.startsWith(`${a}/`))
    ) {
      breaches.push(
        `${name} imports ${resolved}: ${from} may import ${allowed.join(', ') || 'nothing of ours'}`,
      );
    }
  }
  return ours;
}

function* importsOf(text) {
  const code = withoutComments(text);
  for (const m of code.matchAll(/^(?:import|export)\s+(type\s)?[^;'"]*?from\s+['"]([^'"]+)['"]/gm)) {
    yield { target: m[2], lazy: false, typeOnly: m[1] !== undefined };
  }
  for (const m of code.matchAll(/^import\s+['"]([^'"]+)['"]/gm))
    yield { target: m[1], lazy: false, typeOnly: false };
  for (const m of code.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)/g))
    yield { target: m[1], lazy: true, typeOnly: false };
}

function withoutComments(text) {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/[^\n]*/g, '$1');
}

function* sourceFiles(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* sourceFiles(path);
    else if (/\.tsx?$/.test(entry.name)) yield path;
  }
}

/** Every import circle, once. Type-only and lazy imports make none at run time. */
function circles(edges) {
  const found = [];
  const done = new Set();
  const visit = (node, trail) => {
    const at = trail.indexOf(node);
    if (at >= 0) {
      found.push([...trail.slice(at), node]);
      return;
    }
    if (done.has(node)) return;
    for (const next of edges.get(node) ?? []) visit(next, [...trail, node]);
    done.add(node);
  };
  for (const node of edges.keys()) visit(node, []);
  return found;
}
