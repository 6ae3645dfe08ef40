import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { endMonitor } from '../health/stop-pair.js';
import { forgetService, writeService } from '../heartbeat/service-file.js';
import { defaultSettings, readSettings } from '../heartbeat/settings.js';
import { DoggedError, EXIT } from '../job/errors.js';
import { writeFileAtomic } from '../platform/atomic-file.js';
import type { CommandModule, CommonOptions } from './command.js';
import { UNIT_MARK, unitText } from './service-unit.js';
import { locateSystem } from './system.js';

interface ServiceOptions extends CommonOptions {
  readonly system?: boolean;
  readonly runAs?: string;
  readonly name?: string;
  readonly to?: string;
}

const ACTIONS = ['install', 'uninstall', 'print'];
/** After the jobs have had their time: what hangs gets its signals. */
const STOP_MARGIN_S = 30;

export const serviceCommand: CommandModule<ServiceOptions> = {
  examples: [
    'dogged service print',
    'dogged service install',
    'sudo dogged service install --system --run-as jobs',
  ],
  notes: 'A unit that dogged did not write is never touched. Exit codes: 0 done, 1 refused.',
  configure(command) {
    command
      .argument('<action>', ACTIONS.join(', '))
      .option('--system', 'for the machine, started at boot; else for this user')
      .option('--run-as <user>', 'with --system: the user as whom it runs')
      .option('--name <name>', 'of the unit')
      .option('--to <folder>', 'write the unit there and do nothing else');
  },
  async run({ args: [action = ''], options, output, clock }) {
    if (!ACTIONS.includes(action))
      throw new DoggedError('USAGE', { problem: `Say one of ${ACTIONS.join(', ')}.`, command: 'service' });
    const { configFile, stateFolder } = await locateSystem(options);
    const name = unitName(options.name, configFile);
    const file = join(options.to === undefined ? unitFolder(options) : resolve(options.to), name);
    if (action === 'print') {
      output.json({ file, unit: unitFor(configFile, stateFolder, options) });
      output.print(`# ${file}\n${unitFor(configFile, stateFolder, options).trimEnd()}`);
      return EXIT.ok;
    }
    refuseForeign(file, action);
    const systemctl = (...words: readonly string[]) => {
      if (options.to === undefined) runSystemctl([...(options.system ? [] : ['--user']), ...words], file);
    };
    if (action === 'install') {
      mkdirSync(dirname(file), { recursive: true });
      writeFileAtomic(file, unitFor(configFile, stateFolder, options), 0o644);
      systemctl('daemon-reload');
      systemctl('enable', name);
      if (options.to === undefined) {
        mkdirSync(stateFolder, { recursive: true, mode: 0o700 });
        writeService(stateFolder, { unit: name, manager: options.system ? 'system' : 'user', file });
        // One that runs in the background makes way; the worker goes on, and the new one adopts it.
        await endMonitor(stateFolder, clock);
      }
      systemctl('start', name);
    } else {
      systemctl('disable', '--now', name);
      rmSync(file);
      forgetService(stateFolder);
      systemctl('daemon-reload');
    }
    const done = action === 'install' ? 'installed' : 'uninstalled';
    output.json({ file, result: done });
    output.print(`${file} ${done}`);
    return EXIT.ok;
  },
};

function unitFor(configFile: string, stateFolder: string, { system, runAs }: ServiceOptions): string {
  const known = readSettings(stateFolder);
  const { shutdownGraceMs } =
    known.status === 'read' ? known.content : defaultSettings(stateFolder, configFile);
  return unitText({
    description: `dogged: jobs of ${dirname(configFile)}`,
    node: process.execPath,
    cli: realpathSync(process.argv[1] ?? ''),
    configFile,
    folder: dirname(configFile),
    runAs: system ? (runAs ?? process.env['SUDO_USER'] ?? userInfo().username) : null,
    stopWithinS: Math.ceil(shutdownGraceMs / 1_000) + STOP_MARGIN_S,
  });
}

function unitName(wanted: string | undefined, configFile: string): string {
  const plain = (wanted ?? `dogged-${basename(dirname(configFile))}`).replace(/\.service$/, '');
  return `${plain.replace(/[^\w.@-]/g, '-')}.service`;
}

function unitFolder({ system }: ServiceOptions): string {
  if (system) return '/etc/systemd/system';
  return join(process.env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config'), 'systemd', 'user');
}

function refuseForeign(file: string, action: string): void {
  if (!existsSync(file)) {
    if (action === 'install') return;
    throw new DoggedError('SERVICE_REFUSED', { file, detail: 'there is none.' });
  }
  if (readFileSync(file, 'utf8').startsWith(UNIT_MARK)) return;
  throw new DoggedError('SERVICE_REFUSED', { file, detail: 'it is there, and dogged did not write it.' });
}

function runSystemctl(words: readonly string[], file: string): void {
  try {
    execFileSync('systemctl', [...words], { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });
  } catch (error) {
    const { stderr, message } = error as { readonly stderr?: string; readonly message: string };
    const detail = `systemctl ${words.join(' ')}: ${(stderr ?? message).trim()}`;
    throw new DoggedError('SERVICE_REFUSED', { file, detail }, { cause: error });
  }
}
