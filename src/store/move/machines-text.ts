import { durationText } from '../../platform/duration-text.js';
import { MACHINES, type SeenMachine } from '../bullmq/machines.js';

/** Which others are registered, with when each was last seen, and how one that is gone for good is forgotten. */
export function machinesText(others: readonly SeenMachine[], address: string): string {
  return textOf(
    others,
    address,
    ({ site, seenMsAgo }) => `${site} (last seen ${durationText(seenMsAgo)} ago)`,
  );
}

/** The same for what is written down: it stays the same as long as the machines do. */
export function lastingMachinesText(others: readonly SeenMachine[], address: string): string {
  return textOf(others, address, ({ site }) => site);
}

function textOf(
  others: readonly SeenMachine[],
  address: string,
  nameOf: (one: SeenMachine) => string,
): string {
  const names = others.map(nameOf).join(', ');
  const removals = others.map(({ origin }) => origin).join(' ');
  return `other machines run with Redis at ${address}: ${names}. Let each of them leave first: dogged drain, dogged stop, store: sqlite in its config, dogged start. One that is gone for good is forgotten with: redis-cli -u ${address} HDEL ${MACHINES} ${removals}`;
}
