/** First line of each unit that we write: by it we know what we may replace and remove. */
export const UNIT_MARK =
  '# Written by dogged. `dogged service install` replaces this file; changes belong into: systemctl edit';

export interface UnitFacts {
  readonly description: string;
  readonly node: string;
  readonly cli: string;
  readonly configFile: string;
  readonly folder: string;
  /** null: a unit of the user's own systemd, which may take away less. */
  readonly runAs: string | null;
  readonly stopWithinS: number;
}

/** What no handler needs, and what a systemd without rights can take away, too. */
const HARDENED = [
  'NoNewPrivileges=yes',
  'LockPersonality=yes',
  'RestrictRealtime=yes',
  'RestrictSUIDSGID=yes',
  'SystemCallArchitectures=native',
];
/** Node compiles at run time, so memory may be written and run; the process table must be seen to prove who is who. */
const HARDENED_SYSTEM = [
  'CapabilityBoundingSet=',
  'ProtectSystem=full',
  'ProtectClock=yes',
  'ProtectControlGroups=yes',
  'ProtectHostname=yes',
  'ProtectKernelLogs=yes',
  'ProtectKernelModules=yes',
  'ProtectKernelTunables=yes',
  'RestrictNamespaces=yes',
  'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK',
];

/** The unit of the health monitor, which starts the worker. */
export function unitText(facts: UnitFacts): string {
  const { description, node, cli, configFile, folder, runAs, stopWithinS } = facts;
  const run = (...args: readonly string[]) => [node, cli, ...args, '-c', configFile].map(quote).join(' ');
  const isSystem = runAs !== null;
  return `${[
    UNIT_MARK,
    '[Unit]',
    `Description=${plain(description)}`,
    ...(isSystem ? ['After=local-fs.target network.target time-sync.target'] : []),
    '',
    '[Service]',
    'Type=notify',
    'NotifyAccess=all',
    'WatchdogSec=60',
    ...(isSystem ? [`User=${runAs}`] : []),
    `WorkingDirectory=${plain(folder)}`,
    `ExecStart=${run('health', '--monitor')}`,
    '# It is run after an end of the monitor as well, and then has nothing to stop.',
    `ExecStop=${run('stop')} "--if-monitor=\${MAINPID}"`,
    '# The end of the monitor must not end the worker: the next monitor adopts it.',
    'KillMode=process',
    `TimeoutStopSec=${stopWithinS}`,
    'Restart=on-failure',
    'RestartSec=1',
    '# 75: another monitor is at work. 78: the config is refused, and no restart mends that.',
    'RestartPreventExitStatus=75 78',
    ...HARDENED,
    ...(isSystem ? HARDENED_SYSTEM : []),
    '',
    '[Install]',
    `WantedBy=${isSystem ? 'multi-user.target' : 'default.target'}`,
  ].join('\n')}\n`;
}

/** One word of a command line, whatever is in it. */
function quote(word: string): string {
  return `"${plain(word).replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('$', '$$$$')}"`;
}

/** A percent sign begins a specifier everywhere. */
function plain(text: string): string {
  return text.replaceAll('%', '%%');
}
