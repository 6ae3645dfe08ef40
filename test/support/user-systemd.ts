import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { pause, systemClock } from '../../src/platform/clock.js';

const MANAGER = '/lib/systemd/systemd';
/** It looks only whether this is there; a folder of memory over /run, seen by nobody else, has it. */
const START = `mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system && exec ${MANAGER} --user`;

export interface UserSystemd {
  readonly environment: NodeJS.ProcessEnv;
  systemctl(...words: string[]): string;
}

/** A systemd of its own for one test, with its units in a folder of its own; why there can be none otherwise. */
export async function userSystemd(): Promise<UserSystemd | string> {
  if (process.getuid?.() !== 0) return 'only root can give it a /run of its own';
  if (!existsSync(MANAGER))
    return 'systemd is not installed (Debian: apt-get install systemd dbus-user-session)';
  // Short: the path of a socket has 107 bytes at most.
  const runtime = mkdtempSync(join(tmpdir(), 'xdg-'));
  const home = join(runtime, 'home');
  mkdirSync(home);
  const { DBUS_SESSION_BUS_ADDRESS: _, ...inherited } = process.env;
  const environment = {
    ...inherited,
    HOME: home,
    XDG_RUNTIME_DIR: runtime,
    XDG_CONFIG_HOME: join(home, 'config'),
  };
  const manager = spawn('unshare', ['--mount', 'sh', '-c', START], { env: environment, stdio: 'ignore' });
  const systemctl = (...words: string[]) => {
    const { stdout } = spawnSync('systemctl', ['--user', ...words], { env: environment, encoding: 'utf8' });
    return stdout.trim();
  };
  onTestFinished(async () => {
    systemctl('exit');
    for (let n = 0; n < 100 && manager.exitCode === null && manager.signalCode === null; n += 1) {
      await pause(systemClock, 50);
    }
    manager.kill('SIGKILL');
    rmSync(runtime, { recursive: true, force: true });
  });
  for (let n = 0; n < 100; n += 1) {
    if (/^(running|degraded)$/.test(systemctl('is-system-running'))) return { environment, systemctl };
    if (manager.exitCode !== null) return `it ends with code ${manager.exitCode}`;
    await pause(systemClock, 100);
  }
  return 'it does not come up within 10 s';
}
