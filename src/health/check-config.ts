import { statSync } from 'node:fs';
import { basename } from 'node:path';
import { runningProcess } from '../heartbeat/pid-file.js';
import { stateFiles } from '../heartbeat/state-files.js';
import { plural } from '../platform/duration-text.js';
import { type Check, type CheckResult, result } from './check.js';
import type { SourcePlace } from './check-sources.js';

/** What loading the config came to. Handed in: health loads no config. */
export type ConfigFinding =
  | { readonly is: 'valid'; readonly sources: readonly SourcePlace[]; readonly tasks: number }
  | { readonly is: 'missing' }
  | { readonly is: 'invalid'; readonly problems: readonly string[] };

export function configCheck(
  configFile: string,
  stateFolder: string,
  load: () => Promise<ConfigFinding>,
): Check {
  return {
    name: 'config',
    run: async () => [judge(configFile, stateFolder, await load())],
  };
}

function judge(configFile: string, stateFolder: string, finding: ConfigFinding): CheckResult {
  const say = (status: CheckResult['status'], text: string, remedy: string | null = null) =>
    result('config', 'Config', status, text, remedy);
  switch (finding.is) {
    case 'missing':
      return say('critical', `there is none at ${configFile}`, 'dogged init');
    case 'invalid':
      return say('critical', problemsText(finding.problems), 'dogged check');
    case 'valid': {
      const text = `${basename(configFile)}: ${plural(finding.sources.length, 'source')}, ${plural(finding.tasks, 'task')}`;
      if (isNewerThanWorker(configFile, stateFolder)) {
        return say('warning', `${text}; changed since the worker read it`, 'dogged restart');
      }
      return say('ok', text);
    }
  }
}

/** In quotes: it ends with a fix, and the command that follows after a colon is none of that. */
function problemsText(problems: readonly string[]): string {
  const first = problems.length === 1 ? '' : ', the first';
  return `${plural(problems.length, 'problem')}${first}: “${problems[0] ?? ''}”`;
}

/** The worker writes its settings once it has read the config. */
function isNewerThanWorker(configFile: string, stateFolder: string): boolean {
  // The next one that starts reads it in any case.
  if (runningProcess(stateFiles(stateFolder).workerPid) === null) return false;
  const config = statSync(configFile, { throwIfNoEntry: false });
  const settings = statSync(stateFiles(stateFolder).settings, { throwIfNoEntry: false });
  return config !== undefined && settings !== undefined && config.mtimeMs > settings.mtimeMs;
}
