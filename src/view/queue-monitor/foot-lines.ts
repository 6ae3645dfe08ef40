import { escapeText } from '../escape.js';
import { clipLine } from '../fit-lines.js';
import type { Layout } from '../screen-parts.js';
import { textWidth, truncateText } from '../text-width.js';
import type { MonitorState } from './monitor-state.js';

type Hint = readonly [key: string, what: string];

const QUIT: Hint = ['q', 'quit'];
const ACTIONS: readonly Hint[] = [
  ['r', 'retry'],
  ['c', 'cancel'],
  ['p', 'pause/resume'],
];
const IN_LIST: readonly Hint[] = [['↑↓', 'move'], ['Enter', 'output'], ['/', 'filter'], ...ACTIONS];
const IN_JOB: readonly Hint[] = [['Esc', 'back'], ['↑↓', 'scroll'], ...ACTIONS];
const GAP = '  ';

/** The two lines at the foot: what is asked, typed or told, and which keys there are. */
export function footLines(state: MonitorState, layout: Layout): string[] {
  return [clipLine(talkLine(state, layout), layout.columns), hintLine(state, layout)];
}

function talkLine({ draft, asked, notice }: MonitorState, { columns, paint }: Layout): string {
  if (draft !== null) {
    // The end of what is typed is what a person looks at.
    const text = escapeText(draft);
    const room = columns - '/ ▏'.length;
    return `/ ${textWidth(text) <= room ? text : `…${[...text].slice(-(room - 1)).join('')}`}▏`;
  }
  if (asked !== null) {
    const question = `Cancel #${asked.id} ${escapeText(`${asked.task} ${asked.key}`)}`;
    return paint(`${truncateText(question, columns - ' ? y/n'.length)} ? y/n`, 'yellow');
  }
  if (notice === null) return '';
  return paint(truncateText(escapeText(notice.text), columns), notice.isBad ? 'red' : 'green');
}

function hintLine({ draft, asked, open }: MonitorState, layout: Layout): string {
  if (draft !== null) {
    return hints(
      [
        ['Enter', 'show these'],
        ['Esc', 'leave it'],
        ['', 'words: a state, a task, a part of the key'],
      ],
      layout,
    );
  }
  if (asked !== null)
    return hints(
      [
        ['y', 'cancel it'],
        ['any other key', 'leave it'],
      ],
      layout,
    );
  return hints(open === null ? IN_LIST : IN_JOB, layout, QUIT);
}

/** As many as there is room for; the way out is always told. */
function hints(all: readonly Hint[], { columns, paint }: Layout, last?: Hint): string {
  const widthOf = ([key, what]: Hint) => textWidth(`${key} ${what}`);
  const kept: Hint[] = [];
  let room = columns - (last === undefined ? 0 : widthOf(last) + GAP.length);
  for (const hint of all) {
    room -= widthOf(hint) + (kept.length > 0 ? GAP.length : 0);
    if (room < 0) break;
    kept.push(hint);
  }
  const shown = last === undefined ? kept : [...kept, last];
  return shown.map(([key, what]) => `${paint(key, 'bold')} ${paint(what, 'dim')}`.trimStart()).join(GAP);
}
