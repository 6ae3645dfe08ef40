import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { createRecoveryTeller } from '../../src/health/recovery.js';
import { isGone } from '../../src/health/restart.js';
import { Supervisor } from '../../src/health/supervise.js';
import { openTally, readTally, type Tally } from '../../src/health/tally.js';
import { type NamedIdentity, runningProcess } from '../../src/heartbeat/pid-file.js';
import { openRecoveryLog, type RecoveryLine, readRecoveries } from '../../src/heartbeat/recovery-log.js';
import { stateFiles } from '../../src/heartbeat/state-files.js';
import { systemClock } from '../../src/platform/clock.js';
import { signalProved } from '../../src/platform/process-identity.js';
import { builtCli } from '../support/built-program.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';

const STAND_IN = fileURLToPath(new URL('./fixtures/stand-in-worker.mjs', import.meta.url));

/** A supervisor in this process over real stand-in workers, in a state folder of its own. */
export interface Stand {
  readonly stateFolder: string;
  readonly configFile: string;
  readonly said: readonly string[];
  /** How the next worker that is started will behave. */
  behave(behaviour: Readonly<Record<string, unknown>>): void;
  supervisor(): Supervisor;
  startByHand(): void;
  /** The registered worker, once it runs and is not the one given. */
  worker(other?: NamedIdentity): Promise<NamedIdentity>;
  starts(): number;
  tally(): Tally | null;
  recoveries(): readonly RecoveryLine[];
}

export function stand(): Stand {
  const stateFolder = tempFolder();
  const configFile = join(stateFolder, 'dogged.config.yaml');
  writeFileSync(configFile, 'sources: {}\n');
  writeFileSync(join(stateFolder, 'starts'), '');
  const argv = [STAND_IN, dirname(builtCli()), stateFolder];
  const said: string[] = [];
  const say = (message: string) => void said.push(message);
  const log = { info: say, warn: say, error: say };
  const { workerPid } = stateFiles(stateFolder);

  onTestFinished(async () => {
    const left = runningProcess(workerPid);
    if (left === null) return;
    signalProved(left, 'SIGKILL');
    await isGone(left, 5_000, systemClock);
  });

  return {
    stateFolder,
    configFile,
    said,
    behave: (behaviour) => writeFileSync(join(stateFolder, 'behaviour.json'), JSON.stringify(behaviour)),
    supervisor() {
      const supervisor = new Supervisor({
        program: { argv, stateFolder, configFile },
        clock: systemClock,
        log,
        recovery: createRecoveryTeller(log, openRecoveryLog(stateFolder, systemClock), systemClock),
        tally: openTally(stateFolder, (error) => said.push(String(error))),
      });
      onTestFinished(() => supervisor.shutDown());
      return supervisor;
    },
    startByHand() {
      spawn(process.execPath, argv, { detached: true, stdio: 'ignore' }).unref();
    },
    worker: (other) =>
      until(() => {
        const found = runningProcess(workerPid);
        return found !== null && found.nonce !== other?.nonce ? found : null;
      }),
    starts: () => readFileSync(join(stateFolder, 'starts'), 'utf8').length,
    tally: () => readTally(stateFolder),
    recoveries: () => readRecoveries(stateFolder),
  };
}
