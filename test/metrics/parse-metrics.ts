/**
 * A strict reader of the text format of Prometheus, 0.0.4: throws at whatever it does not know, at a sample without HELP and TYPE
 * before it, a family in two places, a sample twice, and a histogram that does not add up.
 */
export interface ParsedMetrics {
  readonly types: ReadonlyMap<string, string>;
  readonly helps: ReadonlyMap<string, string>;
  /** By name and labels: `a_total{task="x"}`, the labels sorted. */
  readonly samples: ReadonlyMap<string, number>;
  readonly labels: readonly Readonly<Record<string, string>>[];
  /** Throws when there is no such sample. */
  value(name: string, labels?: Readonly<Record<string, string>>): number;
  has(name: string): boolean;
}

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*/;
const LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*/;
const VALUE = /^(?:[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?|\+Inf|-Inf|NaN)$/;
const TYPES: ReadonlySet<string> = new Set(['counter', 'gauge', 'histogram', 'summary', 'untyped']);

export function parseMetrics(text: string): ParsedMetrics {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const types = new Map<string, string>();
  const helps = new Map<string, string>();
  const families = new Map<string, Sample[]>();
  const samples = new Map<string, number>();
  let family = '';
  for (const line of text.split('\n').slice(0, -1)) {
    const [, word, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (word === 'HELP') {
      if (helps.has(name) || families.has(name)) throw new Error(`a second HELP of ${name}`);
      if (rest.trim() === '') throw new Error(`an empty HELP of ${name}`);
      helps.set(name, rest);
    } else if (word === 'TYPE') {
      if (types.has(name)) throw new Error(`a second TYPE of ${name}`);
      if (!helps.has(name)) throw new Error(`no HELP before TYPE of ${name}`);
      if (!TYPES.has(rest)) throw new Error(`${name} has the type ${rest}`);
      types.set(name, rest);
      families.set(name, []);
      family = name;
    } else if (line !== '' && !line.startsWith('#')) {
      const sample = parseSample(line);
      const suffix = types.get(family) === 'histogram' ? '(?:_bucket|_sum|_count)' : '';
      if (!new RegExp(`^${family}${suffix}$`).test(sample.name)) throw new Error(`out of place: ${line}`);
      const key = keyOf(sample.name, sample.labels);
      if (samples.has(key)) throw new Error(`twice: ${key}`);
      samples.set(key, sample.value);
      families.get(family)?.push(sample);
    }
  }
  for (const [name, of] of families) checkFamily(name, types.get(name) ?? '', of);
  return {
    types,
    helps,
    samples,
    labels: [...families.values()].flat().map(({ labels }) => labels),
    value(name, labels = {}) {
      const value = samples.get(keyOf(name, labels));
      if (value === undefined) throw new Error(`there is no ${keyOf(name, labels)}`);
      return value;
    },
    has: (name) => [...samples.keys()].some((key) => key === name || key.startsWith(`${name}{`)),
  };
}

function parseSample(line: string): Sample {
  const name = NAME.exec(line)?.[0];
  if (name === undefined) throw new Error(`no name: ${line}`);
  const labels: Record<string, string> = {};
  let rest = line.slice(name.length);
  if (rest.startsWith('{')) {
    rest = rest.slice(1);
    while (!rest.startsWith('}')) {
      const label = LABEL.exec(rest)?.[0];
      if (label === undefined || label in labels) throw new Error(`no label, or one twice: ${line}`);
      const value = /^="((?:[^"\\\n]|\\["\\n])*)"(,(?=[a-z])|(?=\}))/.exec(rest.slice(label.length));
      if (value === null) throw new Error(`no value of ${label}: ${line}`);
      labels[label] = (value[1] ?? '').replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c));
      rest = rest.slice(label.length + value[0].length);
    }
    rest = rest.slice(1);
  }
  const text = rest.slice(1);
  if (!rest.startsWith(' ') || !VALUE.test(text)) throw new Error(`no value: ${line}`);
  return { name, labels, value: text === '+Inf' ? Number.POSITIVE_INFINITY : Number(text) };
}

function checkFamily(name: string, type: string, samples: readonly Sample[]): void {
  if (samples.length === 0) throw new Error(`${name} has no sample`);
  if (type === 'counter') {
    if (!name.endsWith('_total')) throw new Error(`the counter ${name} does not end in _total`);
    for (const { value } of samples) if (!(value >= 0)) throw new Error(`${name} is ${value}`);
  } else if (name.endsWith('_total')) throw new Error(`${name} is no counter`);
  if (type === 'histogram') checkHistogram(name, samples);
}

function checkHistogram(name: string, samples: readonly Sample[]): void {
  const series = new Map<string, Sample[]>();
  for (const sample of samples) {
    const { le: _, ...labels } = sample.labels;
    const key = JSON.stringify(labels);
    series.set(key, [...(series.get(key) ?? []), sample]);
  }
  for (const [key, of] of series) {
    const buckets = of.filter((sample) => sample.name === `${name}_bucket`);
    const only = (suffix: string) => {
      const found = of.filter((sample) => sample.name === name + suffix);
      if (found.length !== 1) throw new Error(`${name}${key} has ${found.length} of ${suffix}`);
      return found[0]?.value ?? Number.NaN;
    };
    const bounds = buckets.map(({ labels }) =>
      labels['le'] === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels['le']),
    );
    if (bounds.at(-1) !== Number.POSITIVE_INFINITY) throw new Error(`${name}${key} does not end with +Inf`);
    for (let at = 1; at < buckets.length; at += 1) {
      if (!((bounds[at] ?? 0) > (bounds[at - 1] ?? 0))) throw new Error(`${name}${key}: bounds do not rise`);
      if ((buckets[at]?.value ?? 0) < (buckets[at - 1]?.value ?? 0)) throw new Error(`${name}${key} falls`);
    }
    if (only('_count') !== buckets.at(-1)?.value)
      throw new Error(`${name}${key}: _count is not the last bucket`);
    if (!(only('_sum') >= 0)) throw new Error(`${name}${key}: _sum`);
  }
}

function keyOf(name: string, labels: Readonly<Record<string, string>>): string {
  const parts = Object.keys(labels)
    .sort()
    .map((label) => `${label}=${JSON.stringify(labels[label])}`);
  return parts.length === 0 ? name : `${name}{${parts.join(',')}}`;
}
