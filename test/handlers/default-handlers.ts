import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { builtCli } from '../support/built-program.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';

export interface Issue {
  readonly title: string;
  readonly project: string;
  readonly file: string;
  readonly round: number;
  readonly line: number | null;
  readonly error: string;
}

export interface ServiceAnswer {
  readonly ok: boolean;
  readonly result?: Record<string, unknown>;
  readonly error?: string;
  readonly retry?: unknown;
}

export function templateFile(name: string): string {
  return fileURLToPath(new URL(`../../templates/default/${name}`, import.meta.url));
}

/** The files that `dogged init` writes, whose handlers are run as the worker runs them: real children, same environment. */
export function initialised() {
  const folder = tempFolder();
  const env = { PATH: process.env['PATH'], DOGGED_BIN: builtCli() };
  cpSync(templateFile('.'), folder, { recursive: true });
  const path = (...names: string[]) => join(folder, ...names);
  const read = (...names: string[]) => readFileSync(path(...names), 'utf8');
  return {
    folder,
    path,
    read,
    issues: () => JSON.parse(read('QAissue.json')) as Issue[],
    projects: () => readdirSync(path('outputs')).filter((name) => name !== '.gitkeep'),
    /** Every file of a project with its content. */
    project: (name: string): Record<string, string> =>
      existsSync(path('outputs', name))
        ? Object.fromEntries(
            readdirSync(path('outputs', name)).map((file) => [file, read('outputs', name, file)]),
          )
        : {},
    implement(payload: string, environment: NodeJS.ProcessEnv = {}) {
      const { status, stdout, stderr } = spawnSync(process.execPath, ['handlers/implement.mjs'], {
        cwd: folder,
        env: { ...env, ...environment },
        input: `${payload}\n`,
        encoding: 'utf8',
      });
      const last = stdout.trimEnd().split('\n').at(-1) ?? '';
      return {
        status,
        stderr,
        result: last.startsWith('{') ? (JSON.parse(last) as Record<string, unknown>) : null,
      };
    },
    /** Through the same host that the worker starts for a module task. */
    async rework(...payloads: unknown[]): Promise<ServiceAnswer[]> {
      const host = join(dirname(builtCli()), 'dispatch/module-host.js');
      const child = spawn(process.execPath, [host, path('handlers/rework.mjs')], { cwd: folder, env });
      child.stderr.resume();
      const answers: ServiceAnswer[] = [];
      const lines = createInterface({ input: child.stdout });
      lines.on('line', (line) => {
        const message = JSON.parse(line) as ServiceAnswer;
        if ('ok' in message) answers.push(message);
      });
      for (const [index, payload] of payloads.entries()) {
        child.stdin.write(`${JSON.stringify({ id: String(index), attempt: 1, payload })}\n`);
        await until(() => answers.length > index);
      }
      child.stdin.end();
      return answers;
    },
  };
}
