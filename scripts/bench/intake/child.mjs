import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** Runs a file of this folder in a process of its own, so that nobody's garbage is measured but its own; returns its JSON. */
export async function runChild(file, args, nodeFlags = []) {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [...nodeFlags, path, ...args], {
    maxBuffer: 1e7,
  });
  return JSON.parse(stdout);
}
