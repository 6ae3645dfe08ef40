import { type ChildProcess, spawn } from 'node:child_process';
import { installedService } from './service-file.js';
import { spawnMonitor } from './spawn-monitor.js';

/** What was begun so that a monitor comes. */
export interface MonitorStart {
  /** It may still come: neither refused nor over. */
  isComing(): boolean;
  /** Why it will not; null while nobody knows of a reason. */
  problem(): string | null;
}

/**
 * Starts a monitor: through systemd where a unit is installed for this state folder, so that it is watched; else in the
 * background. A unit that systemd will not start is no reason to go round it: the unit would be refused while another one runs.
 */
export function startMonitor(
  stateFolder: string,
  configFile: string,
  onProblem: (problem: string) => void = () => undefined,
): MonitorStart {
  const service = installedService(stateFolder);
  if (service === null) {
    const child = spawnMonitor(stateFolder, configFile);
    return watch(child, (why) => `The health monitor could not be started: ${why}`, null, onProblem);
  }
  const manager = service.manager === 'user' ? ['--user'] : [];
  const child = spawn('systemctl', [...manager, 'start', '--no-block', service.unit], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const command = `${service.manager === 'user' ? 'systemctl --user' : 'sudo systemctl'} start ${service.unit}`;
  return watch(
    child,
    (why) => `systemd did not start ${service.unit} (${why}). By hand: ${command}`,
    0,
    onProblem,
  );
}

/** `success`: the exit code after which it is coming all the same. */
function watch(
  child: ChildProcess,
  tell: (why: string) => string,
  success: number | null,
  onProblem: (problem: string) => void,
): MonitorStart {
  let problem: string | null = null;
  let said = '';
  child.on('error', (error) => {
    problem = tell(error.message);
    onProblem(problem);
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    said = `${said}${chunk}`.slice(0, 500);
  });
  child.on('exit', (code) => {
    if (success === null || code === success || problem !== null) return;
    problem = tell(said.trim() || `exit ${code}`);
    onProblem(problem);
  });
  return {
    isComing: () => child.exitCode === null && child.signalCode === null && problem === null,
    problem: () => problem,
  };
}
