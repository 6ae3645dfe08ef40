import { durationText } from '../../platform/duration-text.js';
import { MACHINES, type SeenMachine } from '../bullmq/machines.js';

/** Which others are registered, and how one that is gone for good is forgotten. */
export function machinesText(others: readonly SeenMachine[], address: string): string {
  const names = others.map(({ site, seenMsAgo }) => `${site} (last seen ${durationText(seenMsAgo)} ago)`);
  const removals = others.map(({ origin }) => origin).join(' ');
  return `other machines run with Redis at ${address}: ${names.join(', ')}. Let each of them leave first: dogged drain, dogged stop, and store: sqlite in its config. One that has left, or is gone for good, is forgotten with: redis-cli -u ${address} HDEL ${MACHINES} ${removals}`;
}
