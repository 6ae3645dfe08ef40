import { existsSync, writeSync } from 'node:fs';
import { STANDSTILLS, type Standstill, standStill } from './standstill.js';

/**
 * Named places at which a test may kill the process: `DOGGED_FAILPOINT=name` dies at the first visit,
 * `name:3` at the third. Off unless the variable is set; then a visit costs one comparison.
 *
 * The process dies by SIGKILL, as in a power cut: no handler runs, nothing is flushed.
 *
 * `name:while:FILE` holds the thread that visits for as long as the file is there, as a dead network mount does.
 * `name:stuck:FILE` keeps what waits there waiting for ever, once FILE is there: everything else goes on.
 * `name:spin:FILE` blocks it until the process is killed, once FILE is there; other kinds: parse, microtasks, fifo, pool.
 */
const [armedName, armedVisit, blockingFile] = (process.env['DOGGED_FAILPOINT'] ?? '').split(':');
let visitsLeft = Number(armedVisit ?? 1);
let standsStill = false;

export function failpoint(name: FailpointName): void {
  if (name !== armedName || armedVisit === 'stuck') return;
  if (armedVisit === 'while') {
    const nothing = new Int32Array(new SharedArrayBuffer(4));
    while (blockingFile !== undefined && existsSync(blockingFile))
      Atomics.wait(nothing, 0, 0, BLOCKED_LOOK_MS);
    return;
  }
  if (armedVisit !== undefined && armedVisit in STANDSTILLS) {
    if (standsStill || blockingFile === undefined || !existsSync(blockingFile)) return;
    standsStill = true;
    standStill(armedVisit as Standstill, blockingFile);
    return;
  }
  visitsLeft -= 1;
  if (visitsLeft > 0) return;
  writeSync(2, `failpoint ${name}: killing this process\n`);
  process.kill(process.pid, 'SIGKILL');
}

/** Visited by what can wait; undefined when it may go on. */
export function stuckpoint(name: FailpointName): Promise<never> | undefined {
  if (name !== armedName || armedVisit !== 'stuck') return undefined;
  if (blockingFile === undefined || !existsSync(blockingFile)) return undefined;
  return new Promise(() => undefined);
}

const BLOCKED_LOOK_MS = 20;

/** Every fail point, so that a test can visit each of them. */
export const FAILPOINTS = [
  'loop.turn',
  'mount.look',
  'intake.after-read',
  'admit.after-insert',
  'admit.before-commit',
  'admit.after-commit',
  'after.before-rename',
  'after.after-rename',
  'after.before-end',
  'turn.begin',
  'turn.before-commit',
  'turn.after-commit',
  'run.before-spawn',
  'run.after-spawn',
  'run.after-exit',
  'rescue.before-commit',
  'beat.before-rename',
  'append.before-rename',
  'relay.before-add',
  'relay.after-add',
  'remote.after-claim',
  'remote.after-commit',
  'remote.after-end',
  'cutover.before-commit',
  'cutover.after-commit',
  'cutover.after-page',
  'home.after-recall',
  'home.after-mark',
  'home.after-attempt',
  'home.before-commit',
  'home.after-commit',
  'move.before-drop',
  'migrate.step',
  'mirror.before-send',
  'mirror.after-send',
] as const;
export type FailpointName = (typeof FAILPOINTS)[number];
