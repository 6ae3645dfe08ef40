import { spawnSync } from 'node:child_process';
import { onTestFinished } from 'vitest';
import { until } from './until.js';

/** A real terminal of a given size in which a program runs, seen as a person sees it. */
export interface Terminal {
  /** Keys by tmux's names: `Down`, `Enter`, `Escape`, `q` … */
  keys(...names: readonly string[]): void;
  /** What is typed in one go. */
  type(text: string): void;
  /** The rows as they are now, without the spaces at their ends. */
  rows(): readonly string[];
  /** Waits until the picture as one text matches; the rows then. */
  untilShown(pattern: RegExp): Promise<readonly string[]>;
  resize(columns: number, rows: number): void;
  /** Whether the program has taken the other screen, and whether the cursor is shown. */
  modes(): { readonly alternate: boolean; readonly cursor: boolean };
}

/** Why there can be no such terminal, in words for the name of a skipped test; null where there can. */
export function whyNoTerminal(): string | null {
  const { error, status } = spawnSync('tmux', ['-V']);
  return error === undefined && status === 0 ? null : 'there is no tmux';
}

let terminals = 0;

/** Opens a shell in `folder`; its server is the test's own, and ends with it. */
export function openTerminal(
  folder: string,
  columns: number,
  rows: number,
  env: NodeJS.ProcessEnv = {},
): Terminal {
  terminals += 1;
  const server = `dogged-test-${process.pid}-${terminals}`;
  const tmux = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync('tmux', ['-L', server, '-f', '/dev/null', ...args], {
      encoding: 'utf8',
      // In a plain locale tmux would draw each letter outside ASCII as an underscore.
      env: { ...process.env, LC_ALL: 'C.UTF-8', TERM: 'xterm-256color', PS1: '$ ', ...env },
    });
    if (status !== 0) throw new Error(`tmux ${args[0]}: ${stderr}`);
    return stdout;
  };
  const size = ['-x', String(columns), '-y', String(rows)];
  tmux('-u', 'new-session', '-d', ...size, '-s', 't', '-c', folder, 'bash --norc --noprofile');
  onTestFinished(() => void tmux('kill-server'));
  const shown = () => tmux('capture-pane', '-p', '-t', 't').replace(/ +$/gm, '');
  return {
    keys: (...names) => void tmux('send-keys', '-t', 't', ...names),
    type: (text) => void tmux('send-keys', '-t', 't', '-l', text),
    rows: () => shown().split('\n').slice(0, -1),
    async untilShown(pattern) {
      await until(() => pattern.test(shown()), { describe: () => `${pattern} in\n${shown()}` });
      return shown().split('\n').slice(0, -1);
    },
    resize: (width, height) =>
      void tmux('resize-window', '-t', 't', '-x', String(width), '-y', String(height)),
    modes() {
      const [alternate, cursor] = tmux('display-message', '-p', '-t', 't', '#{alternate_on} #{cursor_flag}')
        .trim()
        .split(' ');
      return { alternate: alternate === '1', cursor: cursor === '1' };
    },
  };
}
