/** The peers, installed beside the project and never into it: each in a folder of its own. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** What is installed for each: what it needs beside itself is left to its user. */
const PEERS = {
  plainjob: ['plainjob'],
  // Its transactions are asynchronous, which better-sqlite3 refuses from 11.10 on.
  liteque: ['liteque', 'better-sqlite3@11.3.0'],
  bullmq: ['bullmq', 'ioredis'],
};

/**
 * Installs what is not there yet into `kept`, or into a temporary folder. What cannot be installed is said aloud and left
 * out: `has` tells.
 */
export function installPeers(kept, folder, say) {
  const root = kept ?? mkdtempSync(join(folder, 'dogged-bench-peers-'));
  const versions = {};
  for (const [peer, packages] of Object.entries(PEERS)) {
    const prefix = join(root, peer);
    const names = packages.map((name) => name.split('@')[0]);
    if (names.some((name) => versionIn(prefix, name) === null)) install(prefix, packages, say);
    const found = names.map((name) => versionIn(prefix, name));
    if (found.includes(null))
      say(`!!! ${peer} COULD NOT BE INSTALLED: it is missing from everything below !!!`);
    else versions[peer] = found[0] + names.slice(1).map((name, i) => ` (on ${name} ${found[i + 1]})`);
  }
  const redis = spawnSync('redis-server', ['--version'], { encoding: 'utf8' });
  if (redis.error === undefined) versions.redis = /v=(\S+)/.exec(redis.stdout)?.[1] ?? 'unknown';
  else
    say(
      '!!! THERE IS NO redis-server: BullMQ is missing from everything below (apt-get install redis-server) !!!',
    );
  return {
    root,
    versions,
    has: (peer) => peer in versions && (peer !== 'bullmq' || 'redis' in versions),
    remove: () => kept === undefined && rmSync(root, { recursive: true, force: true }),
  };
}

export async function importPeer(root, name) {
  const resolve = createRequire(join(root, name, 'package.json')).resolve;
  return import(pathToFileURL(resolve(name)).href);
}

function install(prefix, packages, say) {
  say(`installing ${packages.join(', ')}`);
  mkdirSync(prefix, { recursive: true });
  const manifest = { private: true, allowScripts: { 'better-sqlite3': true } };
  writeFileSync(join(prefix, 'package.json'), JSON.stringify(manifest));
  const args = ['install', '--prefix', prefix, '--no-audit', '--no-fund', ...packages];
  spawnSync('npm', args, { stdio: ['ignore', 'ignore', 'inherit'] });
}

function versionIn(prefix, name) {
  const manifest = join(prefix, 'node_modules', name, 'package.json');
  return existsSync(manifest) ? JSON.parse(readFileSync(manifest, 'utf8')).version : null;
}
