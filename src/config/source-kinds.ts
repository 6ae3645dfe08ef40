import type { Finding } from './explain.js';

type Written = Readonly<Record<string, unknown>>;

/** What a source reads: exactly one of these is written. */
export const SOURCE_KINDS = ['directory', 'log', 'schedule', 'every'] as const;
type SourceKind = (typeof SOURCE_KINDS)[number];

const KIND_NAMES: Readonly<Record<SourceKind, string>> = {
  directory: 'a directory source',
  log: 'a log',
  schedule: 'a schedule',
  every: 'a source with `every`',
};

/** Settings that mean something for some kinds only. */
const BELONGS: Readonly<Record<string, readonly SourceKind[]>> = {
  match: ['directory'],
  exclude: ['directory'],
  after: ['directory'],
  stopAtEnd: ['schedule'],
  timezone: ['schedule', 'every'],
  missed: ['schedule', 'every'],
  payload: ['every'],
  // A plan is always followed until it runs: see docs/schedules.md.
  onChange: ['directory', 'log'],
  key: ['directory', 'log', 'schedule'],
  version: ['directory', 'log', 'schedule'],
  quarantineAfter: ['directory', 'log', 'schedule'],
  followSymlinks: ['directory', 'log', 'schedule'],
  network: ['directory', 'log', 'schedule'],
};

/** What is written of a source and belongs to another kind. */
export function misplacedSettings(path: readonly (string | number)[], source: Written): Finding[] {
  const kinds = SOURCE_KINDS.filter((kind) => source[kind] !== undefined);
  const [kind] = kinds;
  if (kind === undefined || kinds.length > 1) return [];
  return Object.entries(BELONGS).flatMap(([setting, owners]) => {
    if (source[setting] === undefined || owners.includes(kind)) return [];
    const names = owners.map((owner) => KIND_NAMES[owner]).join(' or ');
    const message = `belongs to ${names}, and this is ${KIND_NAMES[kind]}`;
    return { path: [...path, setting], message, fix: 'remove it' };
  });
}
