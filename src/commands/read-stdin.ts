import { DoggedError } from '../job/errors.js';

/** All of stdin as text. Throws USAGE on a terminal, where a person would wait for nothing, and PAYLOAD_INVALID. */
export async function readStdin(command: string): Promise<string> {
  if (process.stdin.isTTY) {
    throw new DoggedError('USAGE', { problem: 'Nothing comes on stdin: it is a terminal.', command });
  }
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch (error) {
    throw new DoggedError('PAYLOAD_INVALID', { detail: 'it is not UTF-8 text' }, { cause: error });
  }
}
