import { type Check, type CheckResult, result } from './check.js';

const WITHIN_MS = 1_200;

/** Reads every page of the database; a large one is not read to its end, and that is said. `find` ends with its signal. */
export function pagesCheck(find: (signal: AbortSignal) => Promise<string | null>): Check {
  const say = (status: CheckResult['status'], text: string, remedy: string | null = null) => [
    result('database-pages', 'Database pages', status, text, remedy),
  ];
  return {
    name: 'database-pages',
    async run() {
      const limit = AbortSignal.timeout(WITHIN_MS);
      try {
        const damage = await find(limit);
        return damage === null ? say('ok', 'all sound') : say('critical', damage, 'dogged restart');
      } catch (error) {
        if (!limit.aborted) throw error;
        const text = `not read to the end within ${WITHIN_MS / 1_000} s; the worker does so after an unclean stop, and for each backup`;
        return say('not-applicable', text);
      }
    },
  };
}
