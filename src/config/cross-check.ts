import { isAbsolute, relative, resolve } from 'node:path';
import { parseDuration } from './duration.js';
import type { Finding } from './explain.js';
import { nearestName } from './problem.js';
import { misplacedSettings, SOURCE_KINDS } from './source-kinds.js';

type Written = Readonly<Record<string, unknown>>;

/**
 * What only two settings together can have wrong. Works on the config as it is written, whatever else is wrong with it,
 * so that one run names everything; what has the wrong type is left to the schema.
 */
export function crossCheck(written: unknown, folder: string): readonly Finding[] {
  const config = map(written);
  const tasks = map(config['tasks']);
  const stateFolder = resolve(folder, text(config['state']) ?? './state');
  return [
    ...maps(config['sources']).flatMap(([name, source]) =>
      checkSource(['sources', name], source, Object.keys(tasks), folder, stateFolder),
    ),
    ...maps(tasks).flatMap(([name, task]) => checkTask(['tasks', name], task)),
    ...checkDependencies(maps(tasks)),
    ...checkHealth(config),
    ...checkAlerts(config['alerts']),
  ];
}

type Path = readonly (string | number)[];

function checkSource(
  path: Path,
  source: Written,
  tasks: readonly string[],
  folder: string,
  stateFolder: string,
): Finding[] {
  const findings = [...exactlyOne(path, source, SOURCE_KINDS), ...misplacedSettings(path, source)];
  findings.push(...checkTaskName([...path, 'task'], source['task'], tasks));
  if (Array.isArray(source['route'])) {
    source['route'].forEach((rule: unknown, index) => {
      findings.push(...checkTaskName([...path, 'route', index, 'task'], map(rule)['task'], tasks));
    });
  }
  for (const kind of SOURCE_KINDS) {
    if (kind === 'every') continue;
    const written = text(source[kind]);
    if (written === null || !isInside(resolve(folder, written), stateFolder)) continue;
    findings.push({
      path: [...path, kind],
      message: 'lies in the state folder, whose files dogged writes itself: it would feed itself for ever',
      fix: 'poll a folder of your own',
    });
  }
  return findings;
}

function checkTaskName(
  path: readonly (string | number)[],
  name: unknown,
  tasks: readonly string[],
): Finding[] {
  if (typeof name !== 'string' || tasks.includes(name)) return [];
  const near = nearestName(name, tasks);
  const known = tasks.length === 0 ? 'there are no tasks yet' : `the tasks are: ${tasks.join(', ')}`;
  return [
    { path, message: `names no task: "${name}"`, fix: near === null ? known : `did you mean "${near}"?` },
  ];
}

function checkTask(path: Path, task: Written): Finding[] {
  const findings = exactlyOne(path, task, ['run', 'service', 'module']);
  const { run } = task;
  if (task['shell'] === true) {
    const line = typeof run === 'string' ? run : Array.isArray(run) && run.length === 1 ? run[0] : null;
    if (run === undefined)
      findings.push({ path: [...path, 'shell'], message: 'belongs to `run`', fix: 'remove it' });
    else if (line === null) {
      findings.push({
        path: [...path, 'run'],
        message: 'must be one text with `shell: true`',
        fix: 'for example "sort | uniq"',
      });
    } else if (String(line).includes('{{')) {
      findings.push({
        path: [...path, 'run'],
        message: 'must not hold {{field}} with `shell: true`: a record could then run any command',
        fix: 'read the payload from stdin',
      });
    }
  } else if (typeof run === 'string') {
    findings.push({
      path: [...path, 'run'],
      message: 'must be a list: the program and its arguments',
      fix: `for example [${run.trim().split(/\s+/).join(', ')}], or add \`shell: true\``,
    });
  } else if (Array.isArray(run) && String(run[0]).includes('{{')) {
    findings.push({
      path: [...path, 'run', 0],
      message: 'must not hold {{field}}: a record must not choose the program',
      fix: null,
    });
  }
  if (Array.isArray(task['verify']) && String(task['verify'][0]).includes('{{')) {
    findings.push({
      path: [...path, 'verify', 0],
      message: 'must not hold {{field}}: a record must not choose the program',
      fix: null,
    });
  }
  for (const setting of ['workers', 'pipeline']) {
    if (task[setting] === undefined || run === undefined) continue;
    findings.push({
      path: [...path, setting],
      message: 'belongs to a service or a module',
      fix: 'use `concurrency`',
    });
  }
  for (const variable of Object.keys(map(task['env']))) {
    if (!variable.startsWith('DOGGED_')) continue;
    findings.push({
      path: [...path, 'env', variable],
      message: 'is reserved: DOGGED_… variables are set by dogged',
      fix: null,
    });
  }
  return findings;
}

/** Tasks with one dependency have one breaker: it cannot work in two ways, and nobody else's may be meant by its name. */
function checkDependencies(tasks: readonly [name: string, task: Written][]): Finding[] {
  const findings: Finding[] = [];
  const speakers = new Map<string, readonly [name: string, breaker: string]>();
  for (const [name, task] of tasks) {
    const dependency = text(task['dependency']);
    if (dependency === null) continue;
    const path = ['tasks', name, 'dependency'];
    if (tasks.some(([other, { dependency: theirs }]) => other === dependency && theirs === undefined)) {
      findings.push({
        path,
        message: `must not be "${dependency}": the task of that name has a breaker of its own`,
        fix: `take another name, or give that task \`dependency: ${dependency}\` too`,
      });
    }
    if (task['breaker'] === undefined) continue;
    const breaker = breakerText(task['breaker']);
    const [speaker, said] = speakers.get(dependency) ?? [name, breaker];
    speakers.set(dependency, [speaker, said]);
    if (said === breaker) continue;
    findings.push({
      path: ['tasks', name, 'breaker'],
      message: `differs from that of "${speaker}", which shares the dependency "${dependency}" and so its breaker`,
      fix: 'say it in one of them only: it holds for all',
    });
  }
  return findings;
}

/** The same text for the same settings, however they are written. */
function breakerText(written: unknown): string {
  const { after = 5, cooldown = '30s', probe = null } = map(written);
  return JSON.stringify([after, typeof cooldown === 'string' ? parseDuration(cooldown) : cooldown, probe]);
}

function checkHealth(config: Written): Finding[] {
  const health = map(config['health']);
  const heartbeat = config['heartbeat'];
  const everyMs = durationOf(typeof heartbeat === 'object' ? map(heartbeat)['every'] : heartbeat, '30s');
  const freshMs = durationOf(health['fresh'], '60s');
  const stuckMs = durationOf(health['stuck'], '120s');
  const findings: Finding[] = [];
  if (everyMs !== null && freshMs !== null && freshMs < everyMs * 2) {
    findings.push({
      path: ['health', 'fresh'],
      message: 'must be at least twice `heartbeat`: one late beat would be an alarm',
      fix: null,
    });
  }
  if (freshMs !== null && stuckMs !== null && stuckMs <= freshMs) {
    findings.push({ path: ['health', 'stuck'], message: 'must be longer than `health.fresh`', fix: null });
  }
  return findings;
}

function checkAlerts(alerts: unknown): Finding[] {
  if (!Array.isArray(alerts)) return [];
  return alerts.flatMap((alert: unknown, index) => {
    if (alert !== map(alert)) return [];
    const path = ['alerts', index];
    const { webhook } = map(alert);
    return [
      ...exactlyOne(path, map(alert), ['exec', 'webhook']),
      ...(typeof webhook === 'string' && webhook !== '' ? checkWebhook([...path, 'webhook'], webhook) : []),
    ];
  });
}

/** Never shows the address: a secret may stand in any part of it. */
function checkWebhook(path: Path, written: string): Finding[] {
  const url = URL.canParse(written) ? new URL(written) : null;
  if (url !== null && /^https?:$/.test(url.protocol)) return [];
  const message = 'must be an address that begins with https:// or http://';
  return [{ path, message, fix: 'for example "https://chat.example.com/hooks/…"' }];
}

function exactlyOne(path: Path, entry: Written, kinds: readonly string[]): Finding[] {
  const there = kinds.filter((kind) => entry[kind] !== undefined);
  const [last, ...rest] = kinds.map((kind) => `\`${kind}\``).reverse();
  const choice = `${rest.reverse().join(', ')} or ${last}`;
  if (there.length > 1) {
    return [
      {
        path: [...path, there[1] ?? ''],
        message: `cannot stand beside \`${there[0]}\``,
        fix: 'keep only one of them',
      },
    ];
  }
  if (there.length === 1) return [];
  return [{ path, message: `must have ${choice}`, fix: null }];
}

function isInside(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way === '' || (!way.startsWith('..') && !isAbsolute(way));
}

function durationOf(written: unknown, fallback: string): number | null {
  return written === undefined
    ? parseDuration(fallback)
    : typeof written === 'string'
      ? parseDuration(written)
      : null;
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function map(value: unknown): Written {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Written) : {};
}

/** Entries that are maps themselves. */
function maps(value: unknown): [string, Written][] {
  return Object.entries(map(value)).filter((entry): entry is [string, Written] => entry[1] === map(entry[1]));
}
