import { clipLine } from '../fit-lines.js';
import type { Layout } from '../screen-parts.js';
import { footLines } from './foot-lines.js';
import { jobRows, listTitle } from './job-rows.js';
import type { MonitorState, Shown } from './monitor-state.js';
import { panelLines } from './panel-lines.js';
import type { QueueLook } from './port.js';

/** One picture, as lines that are no wider than the terminal, and no more than `rows`. */
interface Frame {
  readonly panel: readonly string[];
  readonly body: readonly string[];
  readonly foot: readonly string[];
  readonly shown: Shown;
}

const FOOT_ROWS = 2;
/** In fewer rows the list goes without its title, for the verdict. */
const ROWS_FOR_TITLE = 7;
/** Of what is left, the list keeps at least this part. */
const LIST_SHARE = 0.35;
const FEWEST_LIST_ROWS = 3;

/** `lines`: the open job, as it is shown; null where the list is. */
export function composeFrame(
  state: MonitorState,
  look: QueueLook,
  lines: readonly string[] | null,
  layout: Layout,
  rows: number,
): Frame {
  const { snapshot, lastFailed } = look;
  const foot = rows > 1 ? footLines(state, layout).slice(1 - rows) : [];
  const hasTitle = rows >= ROWS_FOR_TITLE;
  const free = Math.max(1, rows - FOOT_ROWS - (hasTitle ? 1 : 0));
  const fewest = Math.min(FEWEST_LIST_ROWS, Math.max(1, free - 1));
  const listAtLeast = Math.max(fewest, Math.ceil(free * LIST_SHARE));
  const pausedTasks = snapshot.tasks.filter(({ paused }) => paused).map(({ task }) => task);
  const panelRows = free - listAtLeast;
  const panel = lines === null ? panelLines(snapshot, lastFailed, layout, panelRows) : [];
  if (panel.length > 0 && panel.length < panelRows) panel.push('');
  const listRows = Math.max(1, free - panel.length);
  const jobLines = lines?.length ?? 0;
  const jobRowsShown = Math.max(1, rows - FOOT_ROWS);
  const shown = { listRows, jobRows: jobRowsShown, jobLines, pausedTasks };
  if (lines !== null) {
    const scroll = Math.max(0, Math.min(state.scroll, jobLines - jobRowsShown));
    const body = lines.slice(scroll, scroll + jobRowsShown).map((line) => clipLine(line, layout.columns));
    return { panel, body, foot, shown };
  }
  const jobs = state.page.jobs.slice(0, listRows);
  const isCut = state.page.jobs.length > jobs.length;
  const title = listTitle(state, isCut, snapshot, layout);
  const none = snapshot.problems.length > 0 && snapshot.countedFrom !== 'database' ? 'not known' : 'none';
  const list =
    jobs.length > 0
      ? jobRows(jobs, state.cursor, snapshot, layout)
      : [layout.paint(clipLine(`  ${none}`, layout.columns), 'dim')];
  const body = hasTitle ? [title, ...list] : list;
  return { panel, body, foot, shown };
}
