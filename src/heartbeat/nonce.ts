import { readFileSync } from 'node:fs';

/** A random id, from the kernel: `node:crypto` would cost the monitor a megabyte for this alone. */
export function freshNonce(): string {
  return readFileSync('/proc/sys/kernel/random/uuid', 'latin1').trim();
}
