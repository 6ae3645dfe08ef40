import { EXIT } from '../job/errors.js';
import { countText, plural } from '../platform/duration-text.js';
import { accountRemarks, auditTable, openLines } from '../view/account-text.js';
import { painter } from '../view/colour.js';
import { remedyFor } from '../view/remedy.js';
import { chosenSources } from './chosen-sources.js';
import type { CommandModule, CommonOptions } from './command.js';
import { eachSource, readingOn } from './each-source.js';
import { progressLine } from './progress-line.js';
import { locateSystem, withReader } from './system.js';

interface AuditOptions extends CommonOptions {
  readonly source?: string;
}

export const auditCommand: CommandModule<AuditOptions> = {
  examples: ['dogged audit', 'dogged audit --json | jq ".sources[].unaccounted[]"'],
  notes:
    'Reads every file of the sources from its beginning and looks each record up. Changes nothing, and works while the\nworker runs and while it does not.\nExit codes: 0 every record is accounted for, 1 at least one is not, or a source could not be read.',
  configure(command) {
    command.option('--source <source>', 'only this source');
  },
  async run({ options, output, clock }) {
    const { configFile, stateFolder } = await locateSystem(options);
    const { loadConfig } = await import('../config/load.js');
    const { auditSource } = await import('../intake/reconcile.js');
    const config = await loadConfig(configFile);
    const sources = chosenSources(config, options.source);
    const progress = progressLine(output, clock, output.note);
    const work = { config, sources, clock, onProgress: readingOn(progress) };
    const accounts = await withReader(stateFolder, clock, (store) => eachSource(work, store, auditSource));
    progress.end();

    const unaccounted = accounts.reduce((sum, { openCount }) => sum + openCount, 0);
    const unread = accounts.filter(({ problem }) => problem !== null).length;
    const ok = unaccounted === 0 && unread === 0;
    output.json({
      ok,
      sources: Object.fromEntries(
        accounts.map(({ name, records, states, rejected, open, openCount, waitingFiles, problem }) => [
          name,
          {
            records,
            ...states,
            rejected,
            unaccounted: open.map(({ fingerprint: _, ...record }) => record),
            unaccountedCount: openCount,
            waitingFiles,
            problem,
          },
        ]),
      ),
    });
    const layout = {
      columns: output.columns,
      paint: painter(output.colour),
      remedy: remedyFor(options.config),
    };
    for (const line of auditTable(accounts, layout)) output.print(line);
    for (const line of accountRemarks(accounts, layout)) output.print(line);
    for (const line of openLines(accounts)) output.print(line);
    const records = accounts.reduce((sum, account) => sum + account.records, 0);
    if (ok)
      output.print(
        `✅ Every record is accounted for: ${plural(records, 'record')} in ${plural(accounts.length, 'source')}`,
      );
    else if (unaccounted > 0) {
      const what = unaccounted === 1 ? 'One record is' : `${countText(unaccounted)} records are`;
      output.print(`❌ ${what} unaccounted for. Close that with: ${layout.remedy('dogged reconcile')}`);
    } else output.print('❌ Not proved: what could not be read may hold records that nobody knows.');
    return ok ? EXIT.ok : EXIT.failed;
  },
};
