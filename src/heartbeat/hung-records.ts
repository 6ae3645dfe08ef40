import { statSync } from 'node:fs';
import { writeFileAtomic } from '../platform/atomic-file.js';
import { type HungBytes, hangFiles, readHang, tellHang } from './hang-file.js';
import { readStateFile } from './read-state-file.js';
import { count, listOf, oneOf, shapeOf, text } from './shape.js';
import { stateFiles } from './state-files.js';

interface HungRecord extends HungBytes {
  readonly at: string;
  readonly stoodIn: string;
}

interface HungRecords {
  readonly schema: 1;
  readonly records: readonly HungRecord[];
}

/** Whoever has more of them has another problem. */
const KEPT = 1_000;

/**
 * Adds the records on which former workers stood still for good to `hung-records.json`, and returns all of them: the next
 * worker is not to look at them again. A config that was changed since gives a record another chance.
 */
export function takeHungRecords(stateFolder: string, configFile: string): readonly HungRecord[] {
  const before = readHungRecords(stateFolder, configFile);
  const known = new Set(before.map(({ digest }) => digest));
  const found = hangFiles(stateFolder).flatMap((name): HungRecord[] => {
    const hang = readHang(stateFolder, name);
    if (hang === null || hang.record === null || hang.overAfterMs !== null) return [];
    if (known.has(hang.record.digest) || isOutdated(hang.at, configFile)) return [];
    known.add(hang.record.digest);
    return [{ ...hang.record, at: hang.at, stoodIn: tellHang(hang) }];
  });
  const records = [...before, ...found].slice(-KEPT);
  if (found.length > 0) {
    const content: HungRecords = { schema: 1, records };
    writeFileAtomic(stateFiles(stateFolder).hungRecords, `${JSON.stringify(content, null, 2)}\n`);
  }
  return records;
}

/** What is known of them; for a command that reads the sources itself. */
export function readHungRecords(stateFolder: string, configFile: string): readonly HungRecord[] {
  const file = readStateFile<HungRecords>(stateFiles(stateFolder).hungRecords, checkHungRecords);
  return file.status === 'read' ? file.content.records.filter(({ at }) => !isOutdated(at, configFile)) : [];
}

function isOutdated(at: string, configFile: string): boolean {
  const config = statSync(configFile, { throwIfNoEntry: false });
  return config !== undefined && config.mtimeMs > Date.parse(at);
}

const checkHungRecords = shapeOf<HungRecords>({
  schema: oneOf(1),
  records: listOf(
    shapeOf<HungRecord>({ at: text, digest: text, lengthBytes: count, path: text, stoodIn: text }),
  ),
});
