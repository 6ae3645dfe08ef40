import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('./care-process.js', import.meta.url));

interface Answer {
  readonly result?: unknown;
  readonly failed?: { readonly code: string | null; readonly message: string };
}

/** What it failed with: it has said it as whole sentences already. */
class CareFailure extends Error {
  readonly code: string | null;

  constructor(code: string | null, message: string) {
    super(message);
    this.name = 'CareFailure';
    this.code = code;
  }
}

/** Runs `care-process.ts` in a process of its own and resolves with its result. Throws CareFailure; `signal` kills it. */
export function runCareProcess(args: readonly string[], signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      [PROGRAM, ...args],
      { signal, killSignal: 'SIGKILL', encoding: 'utf8' },
      (error, stdout) => {
        const answer = parse(stdout);
        if (answer?.failed !== undefined) {
          reject(new CareFailure(answer.failed.code, answer.failed.message));
        } else if (error !== null) reject(error);
        else if (answer === null) reject(new CareFailure(null, 'it ended without a word'));
        else resolve(answer.result);
      },
    );
  });
}

function parse(text: string): Answer | null {
  try {
    return JSON.parse(text);
  } catch {
    // Killed before it could answer: its exit tells.
    return null;
  }
}
