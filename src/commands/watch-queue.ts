import { EXIT } from '../job/errors.js';
import { painter } from '../view/colour.js';
import { openQueueMonitor } from '../view/queue-monitor/open-queue-monitor.js';
import { remedyFor } from '../view/remedy.js';
import type { CommandCall } from './command.js';
import { QueueFeed } from './queue-feed.js';
import { locateSystem } from './system.js';

/** `dogged queue` on a terminal: the live screen, until it is quit. */
export async function watchQueue({ options, output, clock }: CommandCall): Promise<number> {
  const { stateFolder } = await locateSystem(options);
  const port = new QueueFeed(stateFolder, options, clock);
  const style = { paint: painter(output.colour), remedy: remedyFor(options.config) };
  try {
    await openQueueMonitor({ port, clock, style });
  } finally {
    await port.close();
  }
  return EXIT.ok;
}
