import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { tempFolder } from './temp-folder.js';

const IMAGE_BYTES = 8 * 1024 * 1024;

/** A file system that a test may mount: its type, and how an image of it is made where it needs one. */
export interface MountKind {
  readonly type: string;
  readonly options: string;
  readonly mkfs: readonly string[] | null;
}

export const TMPFS: MountKind = { type: 'tmpfs', options: 'size=256k', mkfs: null };
/** Keeps whole seconds, and is no other type than ext4 for whoever asks. */
export const EXT2: MountKind = { type: 'ext2', options: 'loop', mkfs: ['mkfs.ext2', '-q', '-I', '128'] };
/** Keeps two seconds, and knows no difference between x and X. */
export const VFAT: MountKind = { type: 'vfat', options: 'loop', mkfs: ['mkfs.vfat'] };

export interface Mount {
  readonly folder: string;
  remount(options: string): void;
  unmount(): void;
  /** Mounts what was unmounted again, with everything in it. */
  again(): void;
}

/** Why this machine cannot mount it, in words for the name of a skipped test; null where it can. */
export function whyNoMount(kind: MountKind): string | null {
  const folder = mkdtempSync(join(tmpdir(), 'dogged-mount-'));
  try {
    const target = mount(kind, folder);
    run('umount', target);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Mounts it for the current test. */
export function mounted(kind: MountKind): Mount {
  const base = tempFolder();
  const folder = mount(kind, base);
  onTestFinished(() => void spawnSync('umount', ['-l', folder]));
  return {
    folder,
    remount: (options) => run('mount', '-o', `remount,${options}`, folder),
    unmount: () => run('umount', folder),
    again: () => run('mount', '-t', kind.type, '-o', kind.options, sourceOf(kind, base), folder),
  };
}

function mount(kind: MountKind, base: string): string {
  const folder = join(base, 'mount');
  mkdirSync(folder);
  const source = sourceOf(kind, base);
  if (kind.mkfs !== null) {
    writeFileSync(source, '');
    truncateSync(source, IMAGE_BYTES);
    const [program = '', ...args] = kind.mkfs;
    run(program, ...args, source);
  }
  run('mount', '-t', kind.type, '-o', kind.options, source, folder);
  return folder;
}

function sourceOf(kind: MountKind, base: string): string {
  return kind.mkfs === null ? 'none' : join(base, 'image');
}

function run(program: string, ...args: string[]): void {
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (error !== undefined) throw new Error(`there is no ${program}`);
  if (status !== 0) throw new Error(`${program} says: ${stderr.split('\n')[0]?.split(': ').at(-1) ?? ''}`);
}
