import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { locate } from '../config/locate.js';
import { DIAGNOSIS_EXIT, diagnosisLines, summaryLine } from '../health/diagnose.js';
import { recoverOnce } from '../health/recover.js';
import { writeDesired } from '../heartbeat/desired.js';
import { freshNonce } from '../heartbeat/nonce.js';
import { openRecoveryLog, type RecoveryLine } from '../heartbeat/recovery-log.js';
import { DoggedError, EXIT } from '../job/errors.js';
import type { Clock } from '../platform/clock.js';
import { plural } from '../platform/duration-text.js';
import { acknowledgeRestoration } from '../store/care.js';
import { escapeText } from '../view/escape.js';
import { type Remedy, remedyFor } from '../view/remedy.js';
import type { CommandModule, CommonOptions, Output } from './command.js';
import { diagnoseSystem, type Place, settingsIn } from './diagnosis.js';
import { startFrom } from './start.js';
import { locateSystem, withExisting } from './system.js';
import { testAlerts } from './test-alerts.js';

interface HealthOptions extends CommonOptions {
  readonly diagnose?: boolean;
  readonly monitor?: boolean;
  readonly recover?: boolean;
  readonly acknowledge?: boolean;
  readonly testAlerts?: boolean;
}

export const healthCommand: CommandModule<HealthOptions> = {
  examples: [
    'dogged health --diagnose',
    'dogged health --diagnose --json | jq .verdict',
    'dogged health --recover',
  ],
  notes: `--diagnose is what it does when nothing is said; it changes nothing.
Exit codes of --diagnose, as monitoring plugins have them: 0 all is well, 1 a warning, 2 critical, 3 unknown.
--monitor stays in the foreground and keeps a worker at work; --recover starts or restarts what is dead or stuck, once.
--test-alerts reads the config as it is now, and exits with 1 when one of them could not be delivered.`,
  configure(command) {
    command
      .option('--diagnose', 'check everything and say what to do')
      .option('--monitor', 'run the health monitor in the foreground')
      .option('--recover', 'mend what is dead or stuck, once')
      .option(
        '--acknowledge',
        'you have seen what was damaged (a database that was replaced, payloads): it is critical no more',
      )
      .option('--test-alerts', 'send one to each alert of the config, and say what came of it');
  },
  async run({ options, output, clock }) {
    const { diagnose, monitor: stay, recover: act, acknowledge: noted, testAlerts: test } = options;
    if ([diagnose, stay, act, noted, test].filter(Boolean).length > 1) {
      const problem = 'Say one of --diagnose, --monitor, --recover, --acknowledge and --test-alerts.';
      throw new DoggedError('USAGE', { problem, command: 'health' });
    }
    const acts = [stay, act, noted, test].includes(true);
    // A diagnosis tells of a config that is not there, too.
    const place = acts ? await locateSystem(options) : await locate(options.config);
    if (stay === true) return monitor(place, output);
    if (noted === true) return acknowledge(place, output, clock);
    if (test === true) return testAlerts(place.configFile, output, clock);
    if (act === true) return recover(place, remedyFor(options.config), output, clock);
    return diagnoseAll(place, remedyFor(options.config), output, clock);
  },
};

async function diagnoseAll(place: Place, remedy: Remedy, output: Output, clock: Clock): Promise<number> {
  const diagnosis = await diagnoseSystem(place, remedy, clock);
  output.json({
    verdict: diagnosis.verdict,
    checks: diagnosis.checks.map(({ heading: _, ...check }) => check),
  });
  output.print(escapeText(summaryLine(diagnosis)));
  for (const line of diagnosisLines(diagnosis)) output.print(escapeText(line));
  return DIAGNOSIS_EXIT[diagnosis.verdict];
}

async function acknowledge({ stateFolder }: Place, output: Output, clock: Clock): Promise<number> {
  const restoration = await acknowledgeRestoration(stateFolder);
  const payloads = existsSync(join(stateFolder, 'dogged.db'))
    ? await withExisting(stateFolder, clock, (store) => store.acknowledgeDamaged(clock.wallMs()))
    : 0;
  output.json({ acknowledged: restoration?.damagedAs ?? null, payloads });
  if (restoration !== null) {
    output.print(
      `Noted. The damaged database stays in ${join(stateFolder, restoration.damagedAs)} until you remove it`,
    );
  }
  if (payloads > 0) output.print(`Noted: ${plural(payloads, 'damaged payload')}`);
  if (restoration === null && payloads === 0)
    output.print('Nothing that was damaged waits to be acknowledged');
  return EXIT.ok;
}

async function monitor({ configFile, stateFolder }: Place, output: Output): Promise<number> {
  const { mkdirSync } = await import('node:fs');
  const { runMonitor } = await import('../health-monitor.js');
  mkdirSync(stateFolder, { recursive: true, mode: 0o700 });
  // Who runs it by hand wants a worker, whatever was wanted before.
  writeDesired(stateFolder, 'running');
  return runMonitor({ stateFolder, configFile, echo: (message) => output.note(escapeText(message)) });
}

async function recover(
  { configFile, stateFolder }: Place,
  remedy: Remedy,
  output: Output,
  clock: Clock,
): Promise<number> {
  const settings = settingsIn(stateFolder, configFile);
  const startedAtMs = clock.monotonicMs();
  const found = await recoverOnce({ stateFolder, settings, clock, say: output.note });
  if (found.need === 'none') {
    output.json({ result: 'nothing-to-do', why: found.why });
    output.print(remedy(found.why));
    return EXIT.ok;
  }
  output.note(found.why);
  const told = {
    recovery: freshNonce(),
    cause: found.cause,
    evidence: { seen: found.why, by: 'health --recover' },
  };
  const record = (outcome: RecoveryLine['outcome']) => {
    const isOver = outcome === 'recovered' || outcome === 'failed';
    const tookMs = isOver ? Math.round(clock.monotonicMs() - startedAtMs) : null;
    openRecoveryLog(stateFolder, clock)({ ...told, action: 'starting monitor and worker', outcome, tookMs });
  };
  // Before the first start there is no folder, and nothing has been lost that could be recovered.
  const isRecorded = existsSync(stateFolder);
  if (isRecorded) record('begun');
  try {
    const exitCode = await startFrom(configFile, remedy, output, clock);
    if (isRecorded) record('recovered');
    return exitCode;
  } catch (error) {
    if (isRecorded) record('failed');
    throw error;
  }
}
