import type { Registry } from 'prom-client';
import type { Family, Labels } from './family.js';

/** Of the text format that `renderMetrics` writes. */
export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/**
 * The text that Prometheus reads. Families of which there is nothing to say are left out. `everywhere`: labels that each
 * sample gets.
 */
export async function renderMetrics(families: readonly Family[], everywhere: Labels = {}): Promise<string> {
  // The registry alone: the whole of prom-client takes 9 MiB and loads TLS for a push gateway, this takes 1.
  const { default: RegistryClass } = await import('prom-client/lib/registry.js');
  const registry = new RegistryClass();
  registry.setDefaultLabels(everywhere);
  for (const family of families) {
    if (family.values.length === 0) continue;
    const { name, help, type } = family;
    // Anything that answers `get` is a metric to the registry; its types know only the classes of the package.
    registry.registerMetric({ name, help, type, get: async () => family } as unknown as Registrable);
  }
  return registry.metrics();
}

type Registrable = Parameters<Registry['registerMetric']>[0];
