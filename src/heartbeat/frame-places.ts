import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Frame } from './hang-file.js';

/**
 * Beside a file into which the build has put many modules: where its lines come from. Each entry holds from its line on,
 * until the next one. scripts/flatten.mjs writes it.
 */
interface Places {
  /** Paths from the folder of the file. */
  readonly modules: readonly string[];
  readonly lines: readonly (readonly [line: number, module: number, itsLine: number, columnsMore: number])[];
}

/** The frames as they stand in the modules that they were written in: that says more than a line of the one file. */
export function inTheirModules(frames: readonly Frame[]): readonly Frame[] {
  const known = new Map<string, Places | null>();
  return frames.map((frame) => {
    let places = known.get(frame.file);
    if (places === undefined) {
      places = readPlaces(frame.file);
      known.set(frame.file, places);
    }
    return places === null ? frame : inItsModule(frame, places);
  });
}

function inItsModule(frame: Frame, { modules, lines }: Places): Frame {
  const entry = lines.findLast(([line]) => line <= frame.line);
  const module = modules[entry?.[1] ?? -1];
  if (entry === undefined || module === undefined) return frame;
  const [from, , itsLine, columnsMore] = entry;
  return {
    function: frame.function,
    file: resolve(dirname(frame.file), module),
    line: itsLine + frame.line - from,
    column: Math.max(1, frame.column + columnsMore),
  };
}

function readPlaces(file: string): Places | null {
  try {
    return JSON.parse(readFileSync(`${file}.places`, 'utf8'));
  } catch {
    // Most files are modules by themselves. The line of the one file is better than no hang file.
    return null;
  }
}
