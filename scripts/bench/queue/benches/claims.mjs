/** What a turn costs that ends one job and claims one: with few pending, and with very many, however they are grouped. */
import { median, round2, runAlone } from '../run-alone.mjs';

const AT_MOST = 1.5;
const FEW = 1_000;
const MANY = { small: 100_000, large: 1_000_000 };
const DISTRIBUTIONS = {
  'no groups': 'none',
  'mixed groups (100)': 'mixed',
  'a group for each job': 'each',
  'one giant group': 'giant',
};

export async function measureClaims(options) {
  const many = options.large ? MANY.large : MANY.small;
  const rounds = options.large ? 1 : options.rounds;
  const rows = [];
  for (const [what, groups] of Object.entries(DISTRIBUTIONS)) {
    const answers = [];
    for (let round = 1; round <= rounds; round += 1) {
      options.say(`round ${round} of ${rounds}: claims, ${what}, ${FEW} and ${many} pending`);
      answers.push(await runAlone('dogged-claims', { few: FEW, many, groups }, options));
    }
    const of = (pick) => median(answers.map(pick));
    const cpuRatio = round2(of(({ few, many }) => many.cpuMicros / few.cpuMicros));
    const ratio = round2(of(({ few, many }) => many.micros / few.micros));
    rows.push({
      what,
      [`µs a turn, ${FEW}`]: Math.round(of(({ few }) => few.micros)),
      [`µs a turn, ${many}`]: Math.round(of(({ many }) => many.micros)),
      'wall ratio': ratio,
      'CPU ratio': cpuRatio,
      target: `<= ${AT_MOST}: ${ratio <= AT_MOST && cpuRatio <= AT_MOST ? 'met' : 'NOT MET'}`,
      'MiB before → after the claims': `${of(({ rss }) => rss.before)} → ${of(({ rss }) => rss.after)}`,
    });
  }
  return [{ title: `one end and one claim a turn, ${FEW} and ${many} pending`, rows }];
}
