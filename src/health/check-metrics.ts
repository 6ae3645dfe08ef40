import type { Beat } from '../heartbeat/beat.js';
import type { Settings } from '../heartbeat/settings.js';
import { type Check, result } from './check.js';

/** Whether the metrics are told where the config wants them, as the worker said with its last beat. */
export function metricsCheck({ metrics }: Settings, beat: Beat | null): Check {
  return {
    name: 'metrics',
    run() {
      const { listen = null, textfile = null } = metrics ?? {};
      // Without a worker there is nothing to be told, which other checks say.
      if ((listen === null && textfile === null) || beat === null) return [];
      if (beat.metrics !== undefined)
        return [result('metrics', 'Metrics', 'warning', beat.metrics, 'dogged logs')];
      const places = [
        ...(listen === null ? [] : [`port ${listen.port} of ${listen.host}`]),
        ...(textfile === null ? [] : [textfile]),
      ];
      return [result('metrics', 'Metrics', 'ok', `told at ${places.join(', and in ')}`)];
    },
  };
}
