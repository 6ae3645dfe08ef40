/** What the ledger takes on disk, once for each key for ever. */
import { round2, runAlone } from '../run-alone.mjs';

const AT_MOST_BYTES = 100;
const RECORDS = { small: 100_000, large: 1_000_000 };

export async function measureLedger(options) {
  const records = options.large ? RECORDS.large : RECORDS.small;
  options.say(`ledger of ${records} records`);
  const { bytes } = await runAlone('dogged-ledger', { records }, options);
  const rows = Object.entries(bytes).map(([what, size]) => ({
    what,
    MB: round2(size / 1e6),
    'bytes a record': round2(size / records),
    ...(what === 'records'
      ? { target: `<= ${AT_MOST_BYTES}: ${size / records <= AT_MOST_BYTES ? 'met' : 'NOT MET'}` }
      : {}),
  }));
  return [{ title: `bytes on disk, ${records} pending jobs of distinct keys`, rows }];
}
