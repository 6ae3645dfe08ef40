import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type Clock, pause } from '../platform/clock.js';
import { bootId, identifyProcess, isRunning, type ProcessIdentity } from '../platform/process-identity.js';

/** How soon a waiting process looks again: an append takes some milliseconds. */
const LOOK_EVERY_MS = 5;

export interface AppendLock {
  /** A path in the same file system that is ours alone, and is removed with us if we die: for a temp file. */
  readonly tempFile: string;
  release(): void;
}

/** Whoever stood before us for too long, when the wait is over in vain. */
export interface LockHolder {
  readonly heldByPid: number;
}

interface Entry {
  readonly name: string;
  /** 0 while its owner still chooses one. */
  readonly ticket: number;
  readonly id: string;
  readonly owner: ProcessIdentity;
}

/**
 * Waits until this process alone may change `file`; others must ask for the same lock.
 *
 * Lamport's bakery with files: everybody draws a ticket in the folder `.NAME.lock` and waits for the lower ones. The
 * name of a ticket holds the identity of its owner, and no two names are ever the same; so anybody may remove the ticket
 * of a process that is proved dead, and cannot hit a living one by doing it. One lock file under one name has no such way
 * out: between looking at a stale one and removing it, somebody else may have taken it.
 */
export async function acquireAppendLock(
  file: string,
  clock: Clock,
  withinMs: number,
): Promise<AppendLock | LockHolder> {
  const folder = join(dirname(file), `.${basename(file)}.lock`);
  const ticket = drawTicket(folder);
  const release = () => {
    rmSync(join(folder, `${ticket.name}.tmp`), { force: true });
    rmSync(join(folder, ticket.name), { force: true });
    removeIfEmpty(folder);
  };
  try {
    const startMs = clock.monotonicMs();
    for (;;) {
      const before = readEntries(folder).find(
        (entry) => entry.id !== ticket.id && standsBefore(entry, ticket),
      );
      if (before === undefined) return { tempFile: join(folder, `${ticket.name}.tmp`), release };
      if (clock.monotonicMs() - startMs > withinMs) {
        release();
        return { heldByPid: before.owner.pid };
      }
      await pause(clock, LOOK_EVERY_MS);
    }
  } catch (error) {
    release();
    throw error;
  }
}

function drawTicket(folder: string): Entry {
  const owner = identifyProcess(process.pid);
  if (owner === null) throw new Error('/proc does not know this process');
  const id = `${owner.pid}.${owner.startTicks}.${owner.bootId}.${randomBytes(4).toString('hex')}`;
  const choosing = join(folder, `0.${id}`);
  createIn(folder, choosing);
  const ticket = 1 + Math.max(0, ...readEntries(folder).map((entry) => entry.ticket));
  const name = `${ticket}.${id}`;
  // First the ticket, then away with the mark: a reader of the folder never misses both.
  createIn(folder, join(folder, name));
  rmSync(choosing);
  return { name, ticket, id, owner };
}

function createIn(folder: string, path: string): void {
  for (;;) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    try {
      closeSync(openSync(path, 'wx', 0o600));
      return;
    } catch (error) {
      // The last of the others has just removed the empty folder.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}

/** Entries of living processes; those of dead ones are cleared away with what they left. */
function readEntries(folder: string): readonly Entry[] {
  const entries: Entry[] = [];
  for (const name of readdirSync(folder)) {
    const entry = parseEntry(name);
    if (entry === null) continue;
    if (isRunning(entry.owner)) {
      entries.push(entry);
    } else {
      rmSync(join(folder, `${name}.tmp`), { force: true });
      rmSync(join(folder, name), { force: true });
    }
  }
  return entries;
}

function parseEntry(name: string): Entry | null {
  const match = /^(\d+)\.((\d+)\.(\d+)\.([0-9a-f-]+)\.[0-9a-f]+)$/.exec(name);
  if (match === null) return null;
  const [, ticket, id = '', pid, startTicks, boot = bootId()] = match;
  const owner = { bootId: boot, pid: Number(pid), startTicks: Number(startTicks) };
  return { name, ticket: Number(ticket), id, owner };
}

function standsBefore(other: Entry, ours: Entry): boolean {
  return other.ticket < ours.ticket || (other.ticket === ours.ticket && other.id < ours.id);
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOTEMPTY' && code !== 'ENOENT' && code !== 'EEXIST') throw error;
  }
}
