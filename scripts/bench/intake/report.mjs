import { round } from './measure.mjs';

/** Collects rows, prints each as it comes, and all of them as JSON at the end. */
export function createReport(versions) {
  const about = { ...versions };
  const rows = [];
  return {
    heading: (text) => console.error(`\n${text}`),
    version: (name, value) => {
      about[name] = value;
    },
    /** `target` is most (or, with `atLeast`, least) of `unit`; rows without one are floors and peers. */
    row(name, value, unit, target = {}) {
      const limit = target.atMost ?? target.atLeast;
      const isMet = target.atMost === undefined ? value >= limit : value <= limit;
      const verdict = limit === undefined ? '' : `${isMet ? 'met' : 'NOT MET'} (${describe(target)})`;
      rows.push({ name, value: round(value), unit, ...target, ...(limit === undefined ? {} : { isMet }) });
      console.error(`  ${name.padEnd(62)} ${String(round(value)).padStart(8)} ${unit.padEnd(10)} ${verdict}`);
    },
    finish(more, asJson) {
      Object.assign(about, more);
      console.error(
        `\n${Object.entries(about)
          .map(([name, value]) => `${name} ${value}`)
          .join(', ')}`,
      );
      if (asJson) console.log(JSON.stringify({ about, rows }, null, 2));
    },
  };
}

function describe({ atMost, atLeast }) {
  return atMost === undefined ? `≥ ${atLeast}` : `≤ ${atMost}`;
}
