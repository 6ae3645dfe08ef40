import { ArrayWalk } from '../../../dist/intake/array-walk.js';
import { compactJson } from '../../../dist/job/snapshot.js';
import { median, timed } from './measure.mjs';
import { record } from './sample.mjs';

const RECORDS = 30_000;
const ROUNDS = 9;

/** Where records end, and what JSON.parse alone takes. All ways in turn, round by round, so that their ratio holds on a busy machine. */
export function benchScan({ report }) {
  for (const [name, indent] of [
    ['compact', undefined],
    ['indented by 2', 2],
  ]) {
    const all = Array.from({ length: RECORDS }, (_, id) => record(id));
    const bytes = Buffer.from(JSON.stringify(all, null, indent));
    const spans = spansOf(bytes);
    const ways = {
      whole: () => JSON.parse(bytes.toString('latin1')),
      slices: () => {
        for (const [start, end] of spans) JSON.parse(bytes.toString('latin1', start, end));
      },
      walk: () => walk(bytes, () => undefined),
      both: () => walk(bytes, (start, end) => JSON.parse(bytes.toString('latin1', start, end))),
      compact: () => compactJson(bytes),
    };
    const costs = Object.fromEntries(Object.keys(ways).map((way) => [way, []]));
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const [way, action] of Object.entries(ways)) costs[way].push(timed(action).cpuMs);
    }
    const perSecond = (way) => bytes.length / 1e3 / median(costs[way]);
    const ratios = costs.whole.map((cost, i) => cost / costs.both[i]);
    report.heading(`records of ${Math.round(bytes.length / RECORDS)} bytes, ${name}`);
    report.row('boundaries alone', perSecond('walk'), 'MB/s');
    report.row('JSON.parse of the whole text, alone', perSecond('whole'), 'MB/s');
    report.row('JSON.parse of each slice, boundaries known', perSecond('slices'), 'MB/s');
    report.row('boundaries + JSON.parse of each slice', perSecond('both'), 'MB/s', { atLeast: 300 });
    report.row('  of JSON.parse of the whole text', median(ratios), '×');
    report.row('compactJson', perSecond('compact'), 'MB/s');
  }
}

function walk(bytes, each) {
  const elements = new ArrayWalk(false);
  for (let at = 0; elements.step(bytes, at) === 'element'; at = elements.end)
    each(elements.start, elements.end);
}

function spansOf(bytes) {
  const spans = [];
  walk(bytes, (start, end) => spans.push([start, end]));
  return spans;
}
