#!/usr/bin/env node
import { runCommandLine } from './commands/command-line.js';

// Who reads us may stop at any line (`dogged jobs | head -1`): that is no failure, and no reason for a stack.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
}

// Not process.exit(): what was written to a pipe must still get through.
process.exitCode = await runCommandLine(process.argv.slice(2), process);
