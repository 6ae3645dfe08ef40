export type Labels = Readonly<Record<string, string>>;

interface Sample {
  /** Only where it is not that of the family: `_bucket`, `_sum`, `_count`. */
  readonly metricName?: string;
  readonly labels: Labels;
  readonly value: number;
}

/** All samples of one name, in the form in which prom-client hands metrics from process to process. */
export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly values: readonly Sample[];
}

export type Row = readonly [labels: Labels, value: number];

/** Rows with the same labels are one sample, their values added up: several names may share the bucket `other`. */
export function gauge(name: string, help: string, rows: number | readonly Row[]): Family {
  return { name, help, type: 'gauge', values: samplesOf(rows, add) };
}

/** A gauge of 0 and 1: of rows with the same labels, one that says 1 is enough. */
export function flag(
  name: string,
  help: string,
  rows: boolean | readonly (readonly [Labels, boolean])[],
): Family {
  const asNumbers: Row[] | number =
    typeof rows === 'boolean' ? Number(rows) : rows.map(([labels, is]) => [labels, Number(is)]);
  return { name, help, type: 'gauge', values: samplesOf(asNumbers, Math.max) };
}

export function counter(name: string, help: string, rows: number | readonly Row[]): Family {
  return { name, help, type: 'counter', values: samplesOf(rows, add) };
}

export function histogram(
  name: string,
  help: string,
  bounds: readonly number[],
  rows: readonly (readonly [Labels, { readonly counts: readonly number[]; readonly sum: number }])[],
): Family {
  const values = rows.flatMap(([labels, { counts, sum }]) => {
    let below = 0;
    const buckets = counts.map((count, index) => {
      below += count;
      return {
        metricName: `${name}_bucket`,
        labels: { ...labels, le: String(bounds[index] ?? '+Inf') },
        value: below,
      };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: sum },
      { metricName: `${name}_count`, labels, value: below },
    ];
  });
  return { name, help, type: 'histogram', values };
}

function samplesOf(
  rows: number | readonly Row[],
  merge: (a: number, b: number) => number,
): readonly Sample[] {
  if (typeof rows === 'number') return [{ labels: {}, value: rows }];
  const samples = new Map<string, Sample>();
  for (const [labels, value] of rows) {
    const key = JSON.stringify(labels);
    const before = samples.get(key);
    samples.set(key, { labels, value: before === undefined ? value : merge(before.value, value) });
  }
  return [...samples.values()];
}

function add(a: number, b: number): number {
  return a + b;
}
