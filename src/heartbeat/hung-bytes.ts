import { closeSync, constants, openSync, readSync } from 'node:fs';
import type { Breadcrumb } from '../platform/breadcrumb.js';
import type { HungBytes } from './hang-file.js';

/** The bytes of the record that the loop was looking at, as they stand in the file now; null for any other step. */
export function hungBytes({ step, detail: path, offset, lengthBytes }: Breadcrumb): HungBytes | null {
  if (step !== 'intake.judge' || lengthBytes === 0) return null;
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const bytes = Buffer.alloc(lengthBytes);
      if (readSync(fd, bytes, 0, lengthBytes, offset) !== lengthBytes) return null;
      const digest = process.getBuiltinModule('node:crypto').createHash('sha256').update(bytes).digest('hex');
      return { path, digest, lengthBytes };
    } finally {
      closeSync(fd);
    }
  } catch {
    // Gone or replaced meanwhile: then the next worker looks at whatever stands there.
    return null;
  }
}
