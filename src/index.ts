import type { ConfigInput } from './config/schema.js';
import type { ModuleHandler } from './dispatch/module-context.js';

/*
 * The library: types for a config that is a module, and for handler modules. Both functions give back what they are given;
 * they are there so that an editor knows what may stand inside.
 *
 *   export default defineConfig({ sources: { … }, tasks: { … } });
 *   export default defineHandler(async (payload, { progress }) => { … });
 */

export type { ConfigInput } from './config/schema.js';
export type { ModuleContext, ModuleHandler } from './dispatch/module-context.js';

/** For `dogged.config.mjs`, `.js` or `.ts`. Nothing is validated before dogged reads it: that is what `dogged check` is for. */
export function defineConfig(config: ConfigInput): ConfigInput {
  return config;
}

/** For the default export of a `module:` task: `defineHandler<Payload, Result>(…)`, or with the types at the parameters. */
export function defineHandler<Payload = unknown, Result = unknown>(
  handler: ModuleHandler<Payload, Result>,
): ModuleHandler<Payload, Result> {
  return handler;
}
