import { moveJson } from './move-json.js';
import { outageJson } from './outage-json.js';
import type { SystemSnapshot } from './snapshot.js';

/** What `status --json` and `queue --json` promise: the parts as in heartbeat.json, and nothing that may change. */
export function snapshotJson(snapshot: SystemSnapshot): object {
  const { verdict, worker, monitor, queue, slots, sources, waiting, outages } = snapshot;
  const { endsKept, machines, move, chosenStore } = snapshot;
  return {
    verdict,
    worker,
    monitor,
    queue,
    slots,
    sources,
    waiting,
    outages: outages.map(outageJson),
    ...(machines.length === 0 ? {} : { machines }),
    ...(endsKept.length === 0 ? {} : { endsKept }),
    ...(move === null ? {} : { move: moveJson(move) }),
    ...(chosenStore === null ? {} : { chosenStore }),
  };
}
