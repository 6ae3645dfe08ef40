import { describe, expect, test } from 'vitest';
import { type KeyPress, keyPressOf } from '../../../src/view/queue-monitor/key-press.js';
import {
  FIRST_STATE,
  type MonitorState,
  reduce,
  type Shown,
} from '../../../src/view/queue-monitor/monitor-state.js';
import type { QueueLook } from '../../../src/view/queue-monitor/port.js';
import { aJob, crowdedLook } from './crowded.js';

const SHOWN: Shown = { listRows: 4, jobRows: 10, jobLines: 25, pausedTasks: ['held'] };

function looked(state: MonitorState, page: QueueLook['page'], listRows = SHOWN.listRows): MonitorState {
  const look = { ...crowdedLook(), page };
  return reduce(state, { kind: 'looked', position: state.position, listRows, look, monotonicMs: 0 }).state;
}

function press(state: MonitorState, ...keys: KeyPress[]): ReturnType<typeof reduce> {
  let step: ReturnType<typeof reduce> = { state };
  for (const key of keys) step = reduce(step.state, { kind: 'key', key, shown: SHOWN });
  return step;
}

const text = (typed: string): KeyPress => ({ text: typed });
const page = (ids: readonly number[], hasNewer = false, hasOlder = false) => ({
  jobs: ids.map((id) => aJob(id)),
  hasNewer,
  hasOlder,
});
const idAt = (state: MonitorState) => state.page.jobs[state.cursor]?.id;

const first = looked(FIRST_STATE, page([9, 8, 7, 6], false, true));

describe('the cursor', () => {
  test('stays in the first row, whatever comes there, until it is moved; then it stays with its job', () => {
    expect(idAt(looked(first, page([10, 9, 8, 7])))).toBe('10');
    const { state } = press(first, 'down');
    expect(idAt(state)).toBe('8');
    expect(state.position).toEqual({ filter: '', top: '9', shift: 0 });
    expect(idAt(looked(state, page([9, 8, 7, 6], true)))).toBe('8');
  });

  test('moves with arrows and with j and k, also with several at once while a key is held', () => {
    expect(idAt(press(first, 'down', text('j')).state)).toBe('7');
    expect(idAt(press(first, text('jjj'), text('k')).state)).toBe('7');
    expect(idAt(press(first, 'up').state)).toBe('9');
  });

  test('at an edge lets the list move by as many rows, and is in the row that came in', () => {
    const below = press(first, 'pageDown').state;
    expect(below.position).toEqual({ filter: '', top: '9', shift: 1 });
    const { state } = press(below, 'down');
    expect(state.position.shift).toBe(2);
    const arrived = looked(state, page([7, 6, 5, 4], true, true));
    expect(idAt(arrived)).toBe('4');
    expect(arrived.position).toEqual({ filter: '', top: '7', shift: 0 });
    const up = press(arrived, 'up', 'up', 'up', 'up').state;
    expect(up.position).toEqual({ filter: '', top: '7', shift: -1 });
  });

  test('does not move the list beyond its ends', () => {
    const all = looked(FIRST_STATE, page([3, 2, 1]));
    expect(press(all, 'pageDown', 'down').state.position.shift).toBe(0);
    expect(press(all, 'pageUp', 'up').state.position.shift).toBe(0);
  });

  test('goes to the oldest job with End, and with Home back to following the newest', () => {
    const asked = press(first, 'end').state;
    expect(asked.position).toEqual({ filter: '', top: null, shift: 'oldest' });
    const there = looked(asked, page([4, 3, 2, 1], true));
    expect(idAt(there)).toBe('1');
    const back = press(there, 'home').state;
    expect(back.position).toEqual({ filter: '', top: null, shift: 0 });
    expect(back.selected).toBeNull();
  });

  test('keeps its job in sight where fewer rows are left for the list', () => {
    const { state } = press(first, 'down', 'down', 'down');
    const fewer = looked(state, state.page, 2);
    expect(fewer.position).toEqual({ filter: '', top: '9', shift: 2 });
    expect(fewer.selected).toBe('6');
  });

  test('goes to the next one where its job no longer matches', () => {
    const { state } = press(first, 'down');
    expect(idAt(looked(state, page([9, 7, 6])))).toBe('7');
  });

  test('an answer to a question that is no longer asked changes nothing of the list', () => {
    const { state } = press(first, text('/'), text('failed'), 'enter');
    const look = { ...crowdedLook(), page: page([1]) };
    const event = { kind: 'looked' as const, position: first.position, listRows: 4, look, monotonicMs: 0 };
    expect(reduce(state, event).state.page).toBe(first.page);
  });
});

describe('keys that change something', () => {
  test('r asks for a retry of the job under the cursor, q for the end', () => {
    expect(press(first, 'down', text('r')).action).toEqual({ verb: 'retry', job: '8' });
    expect(press(first, text('q')).quit).toBe(true);
  });

  test('c cancels only after y, and any other key leaves the job alone', () => {
    const asked = press(first, text('c'));
    expect(asked.action).toBeUndefined();
    expect(asked.state.asked?.id).toBe('9');
    expect(press(asked.state, text('y')).action).toEqual({ verb: 'cancel', job: '9' });
    for (const key of [text('n'), text('q'), 'escape', 'enter', text('yy')] as const) {
      const left = press(asked.state, key);
      expect(left.action).toBeUndefined();
      expect(left.quit).toBeUndefined();
      expect(left.state.asked).toBeNull();
    }
  });

  test('the job that was asked about is the one that is cancelled, whatever moved meanwhile', () => {
    const asked = press(first, text('c')).state;
    expect(press(looked(asked, page([10, 9, 8])), text('y')).action).toEqual({ verb: 'cancel', job: '9' });
  });

  test('p pauses the task of the job, or lets it go on where it is paused', () => {
    expect(press(first, text('p')).action).toEqual({ verb: 'pause', task: 'implement' });
    const held = looked(FIRST_STATE, { ...page([]), jobs: [aJob(1, { task: 'held' })] });
    expect(press(held, text('p')).action).toEqual({ verb: 'resume', task: 'held' });
  });

  test('what is pasted does nothing', () => {
    for (const pasted of ['rc', 'cy', 'qq', 'pp']) {
      expect(press(first, text(pasted))).toEqual({ state: first });
    }
  });

  test('without a job there is nothing to change', () => {
    const none = looked(FIRST_STATE, page([]));
    for (const key of ['r', 'p', 'c']) expect(press(none, text(key))).toEqual({ state: none });
    expect(press(none, 'enter', 'down', 'end').state.open).toBeNull();
  });

  test('what an action came to is told until the next key', () => {
    const told = reduce(first, { kind: 'acted', notice: { text: 'no', isBad: true } }).state;
    expect(looked(told, first.page).notice).toEqual({ text: 'no', isBad: true });
    expect(press(told, 'down').state.notice).toBeNull();
  });
});

describe('the filter', () => {
  test('is typed, mended and taken with Enter, and given up with Escape', () => {
    const { state } = press(first, text('/'), text('failex'), 'backspace', text('d'));
    expect(state.draft).toBe('failed');
    expect(press(state, 'enter').state.position).toEqual({ filter: 'failed', top: null, shift: 0 });
    expect(press(state, 'escape').state).toMatchObject({ draft: null, position: first.position });
  });

  test('keys that mean something elsewhere are letters in it', () => {
    expect(press(first, text('/'), text('q'), text('c'), text('y')).state.draft).toBe('qcy');
  });

  test('typed faster than it is read, it is the same', () => {
    expect(press(first, text('/failed\r')).state.position.filter).toBe('failed');
    expect(press(first, text('/'), text('a\x1bb\tc')).state.draft).toBe('abc');
  });

  test('is taken away with Escape', () => {
    const { state } = press(first, text('/x'), 'enter');
    expect(press(state, 'escape').state.position.filter).toBe('');
  });
});

describe('an open job', () => {
  const open = press(first, 'down', 'enter').state;

  test('is the one under the cursor, and Escape leads back to it', () => {
    expect(open.open?.id).toBe('8');
    expect(press(open, 'escape').state).toMatchObject({ open: null, cursor: 1 });
  });

  test('is scrolled within its lines', () => {
    expect(press(open, 'down', text('j'), 'up').state.scroll).toBe(1);
    expect(press(open, 'pageDown').state.scroll).toBe(10);
    expect(press(open, 'end', 'down').state.scroll).toBe(15);
    expect(press(open, 'end', 'home', 'up').state.scroll).toBe(0);
  });

  test('is what keys act upon', () => {
    expect(press(open, text('r')).action).toEqual({ verb: 'retry', job: '8' });
  });
});

test('every key of a terminal has one meaning, and chords have none', () => {
  const nothing = Object.fromEntries(
    [
      'upArrow',
      'downArrow',
      'pageUp',
      'pageDown',
      'home',
      'end',
      'return',
      'escape',
      'backspace',
      'delete',
      'ctrl',
      'meta',
    ].map((name) => [name, false]),
  ) as unknown as Parameters<typeof keyPressOf>[1];
  expect(keyPressOf('', { ...nothing, pageUp: true })).toBe('pageUp');
  expect(keyPressOf('', { ...nothing, escape: true, meta: true })).toBe('escape');
  expect(keyPressOf('c', { ...nothing, ctrl: true })).toBeNull();
  expect(keyPressOf('c', { ...nothing, meta: true })).toBeNull();
  expect(keyPressOf('c', nothing)).toEqual({ text: 'c' });
});
