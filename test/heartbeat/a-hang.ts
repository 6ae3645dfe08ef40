import type { Hang } from '../../src/heartbeat/hang-file.js';

/** A loop that stands in native code, with what a test wants to be different. */
export function aHang(different: Partial<Hang> = {}): Hang {
  return {
    schema: 1,
    at: '2026-01-01T00:00:01.000Z',
    pid: process.pid,
    nonce: 'ours',
    stoodMs: 15_000,
    lastStep: { step: 'loop', detail: '', offset: 0, lengthBytes: 0 },
    record: null,
    thread: { state: 'R', wchan: '', syscall: '' },
    stack: [],
    noStack: 'no answer within 1000 ms: it is in native code',
    overAfterMs: null,
    ...different,
  };
}
