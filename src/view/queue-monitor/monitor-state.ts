import type { JobId } from '../../job/job.js';
import type { JobSummary } from '../../store/read-contract.js';
import { EMPTY_PAGE, type JobPage, type PageRequest } from './job-page.js';
import type { KeyPress } from './key-press.js';
import type { Action, Notice, QueueLook } from './port.js';
import { NO_THROUGHPUT, type Throughput, withLook } from './throughput.js';

type Position = Omit<PageRequest, 'rows'>;

/** All that the live screen remembers between two frames. */
export interface MonitorState {
  readonly position: Position;
  readonly page: JobPage;
  /** Row of the page; the job in it is what keys act upon. */
  readonly cursor: number;
  /** The job that the cursor stays with; null while it stays in the first row, whatever comes there. */
  readonly selected: JobId | null;
  /** The filter while it is being typed; null when it is not. */
  readonly draft: string | null;
  /** The job that is shown with its output. */
  readonly open: JobSummary | null;
  /** First line of it that is shown. */
  readonly scroll: number;
  /** The job that is to be cancelled if the next key is `y`. */
  readonly asked: JobSummary | null;
  readonly notice: Notice | null;
  readonly throughput: Throughput;
}

/** What the last frame had room for. */
export interface Shown {
  readonly listRows: number;
  readonly jobRows: number;
  readonly jobLines: number;
  readonly pausedTasks: readonly string[];
}

export type MonitorEvent =
  | { readonly kind: 'key'; readonly key: KeyPress; readonly shown: Shown }
  | {
      readonly kind: 'looked';
      readonly position: Position;
      readonly listRows: number;
      readonly look: QueueLook;
      readonly monotonicMs: number;
    }
  | { readonly kind: 'acted'; readonly notice: Notice };

/** What follows from an event: the new state, and what is to be done. */
interface Step {
  readonly state: MonitorState;
  readonly action?: Action;
  readonly quit?: true;
}

export const FIRST_STATE: MonitorState = {
  position: { filter: '', top: null, shift: 0 },
  page: EMPTY_PAGE,
  cursor: 0,
  selected: null,
  draft: null,
  open: null,
  scroll: 0,
  asked: null,
  notice: null,
  throughput: NO_THROUGHPUT,
};

export function reduce(state: MonitorState, event: MonitorEvent): Step {
  switch (event.kind) {
    case 'looked':
      return { state: looked(state, event) };
    case 'acted':
      return { state: { ...state, notice: event.notice } };
    case 'key':
      // What was told is read by now.
      return pressed({ ...state, notice: null }, event.key, event.shown);
  }
}

function looked(state: MonitorState, event: MonitorEvent & { kind: 'looked' }): MonitorState {
  const { look, listRows } = event;
  // Without the database the counts are those of a beat, and no step from one to the other is work.
  const throughput =
    look.snapshot.countedFrom === 'database'
      ? withLook(state.throughput, event.monotonicMs, look.snapshot.queue)
      : state.throughput;
  const open = state.open === null || look.open?.id !== state.open.id ? state.open : look.open;
  // The answer to a question that is no longer asked.
  if (event.position !== state.position) return { ...state, throughput, open };

  const { page } = look;
  const { filter, top, shift } = state.position;
  const follows = top === null && shift === 0;
  const shown = Math.min(page.jobs.length, listRows);
  const found = page.jobs.findIndex(({ id }) => id === state.selected);
  const cursor = Math.max(0, Math.min(found >= 0 ? found : state.cursor, shown - 1));
  const beyond = found >= shown ? found - shown + 1 : 0;
  const newTop = follows ? null : (page.jobs[0]?.id ?? null);
  const stays = beyond === 0 && shift === 0 && newTop === top;
  return {
    ...state,
    throughput,
    open,
    page,
    position: stays ? state.position : { filter, top: newTop, shift: beyond },
    cursor,
    selected:
      follows && state.selected === null ? null : (page.jobs[found >= shown ? found : cursor]?.id ?? null),
  };
}

function pressed(state: MonitorState, key: KeyPress, shown: Shown): Step {
  if (state.draft !== null) return { state: typed(state, state.draft, key) };
  if (state.asked !== null) {
    const { id } = state.asked;
    const isYes = typeof key === 'object' && key.text.toLowerCase() === 'y';
    const next = { ...state, asked: null };
    return isYes ? { state: next, action: { verb: 'cancel', job: id } } : { state: next };
  }
  if (typeof key === 'object') return commanded(state, key.text, shown);
  return { state: state.open === null ? moved(state, key, shown) : scrolled(state, key, shown) };
}

function typed(state: MonitorState, draft: string, key: KeyPress): MonitorState {
  if (typeof key === 'object') {
    // Pasted, or typed faster than it was read: the end of a line in it is the Enter that it stands for.
    const [line = '', ...more] = key.text.split(/[\r\n]/);
    const longer = draft + line.replace(/[\x00-\x1f\x7f]/g, '');
    return more.length > 0 ? filtered(state, longer.trim()) : { ...state, draft: longer };
  }
  switch (key) {
    case 'enter':
      return filtered(state, draft.trim());
    case 'escape':
      return { ...state, draft: null };
    case 'backspace':
      return { ...state, draft: [...draft].slice(0, -1).join('') };
    default:
      return state;
  }
}

function filtered(state: MonitorState, filter: string): MonitorState {
  return { ...state, draft: null, position: { filter, top: null, shift: 0 }, cursor: 0, selected: null };
}

/** Several characters at once were pasted, or a key is being held: only moving and filtering may be done by that. */
function commanded(state: MonitorState, text: string, shown: Shown): Step {
  const held = /^(j+|k+)$/.exec(text);
  if (held !== null) {
    const delta = text.startsWith('j') ? text.length : -text.length;
    return {
      state:
        state.open === null ? movedBy(state, delta, shown) : scrolledTo(state, state.scroll + delta, shown),
    };
  }
  if (text.startsWith('/')) {
    const next = { ...state, open: null, draft: state.position.filter };
    return { state: typed(next, next.draft, { text: text.slice(1) }) };
  }
  const job = state.open ?? state.page.jobs[state.cursor];
  switch (text) {
    case 'q':
      return { state, quit: true };
    case 'r':
      return job === undefined ? { state } : { state, action: { verb: 'retry', job: job.id } };
    case 'c':
      return { state: { ...state, asked: job ?? null } };
    case 'p': {
      if (job === undefined) return { state };
      const verb = shown.pausedTasks.includes(job.task) ? 'resume' : 'pause';
      return { state, action: { verb, task: job.task } };
    }
    default:
      return { state };
  }
}

function moved(state: MonitorState, key: Exclude<KeyPress, object>, shown: Shown): MonitorState {
  const { filter } = state.position;
  switch (key) {
    case 'up':
      return movedBy(state, -1, shown);
    case 'down':
      return movedBy(state, 1, shown);
    case 'pageUp':
      return movedBy(state, -shown.listRows, shown);
    case 'pageDown':
      return movedBy(state, shown.listRows, shown);
    case 'home':
      return filtered(state, filter);
    case 'end':
      return {
        ...state,
        position: { filter, top: null, shift: 'oldest' },
        cursor: shown.listRows,
        selected: null,
      };
    case 'enter':
      return { ...state, open: state.page.jobs[state.cursor] ?? null, scroll: 0 };
    case 'escape':
      return filter === '' ? state : filtered(state, '');
    case 'backspace':
      return state;
  }
}

/** Within the page the cursor moves; at its edges the page does. */
function movedBy(state: MonitorState, delta: number, { listRows }: Shown): MonitorState {
  const { page, position } = state;
  const count = Math.min(page.jobs.length, listRows);
  if (count === 0) return state;
  const target = state.cursor + delta;
  const cursor = Math.max(0, Math.min(target, count - 1));
  const isMoreOlder = page.hasOlder || page.jobs.length > count;
  const beyond =
    target >= count && isMoreOlder ? target - count + 1 : target < 0 && page.hasNewer ? target : 0;
  if (position.shift === 'oldest') return state;
  const top = position.top ?? page.jobs[0]?.id ?? null;
  const shift = position.shift + beyond;
  return {
    ...state,
    position: shift === position.shift && top === position.top ? position : { ...position, top, shift },
    cursor,
    selected: shift === 0 ? (page.jobs[cursor]?.id ?? null) : null,
  };
}

function scrolled(state: MonitorState, key: Exclude<KeyPress, object>, shown: Shown): MonitorState {
  switch (key) {
    case 'up':
      return scrolledTo(state, state.scroll - 1, shown);
    case 'down':
      return scrolledTo(state, state.scroll + 1, shown);
    case 'pageUp':
      return scrolledTo(state, state.scroll - shown.jobRows, shown);
    case 'pageDown':
      return scrolledTo(state, state.scroll + shown.jobRows, shown);
    case 'home':
      return scrolledTo(state, 0, shown);
    case 'end':
      return scrolledTo(state, shown.jobLines, shown);
    case 'escape':
    case 'backspace':
      return { ...state, open: null, scroll: 0 };
    case 'enter':
      return state;
  }
}

function scrolledTo(state: MonitorState, line: number, { jobLines, jobRows }: Shown): MonitorState {
  return { ...state, scroll: Math.max(0, Math.min(line, jobLines - jobRows)) };
}
