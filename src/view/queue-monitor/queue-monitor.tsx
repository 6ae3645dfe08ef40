import { Box, useApp, useInput } from 'ink';
import { type ReactElement, useMemo, useRef, useState } from 'react';
import type { JobId } from '../../job/job.js';
import type { Clock } from '../../platform/clock.js';
import type { Layout } from '../screen-parts.js';
import { composeFrame } from './frame.js';
import { jobLines } from './job-lines.js';
import { keyPressOf } from './key-press.js';
import { Lines } from './lines.js';
import { FIRST_STATE, type MonitorEvent, reduce, type Shown } from './monitor-state.js';
import type { QueueLook, QueueMonitorPort } from './port.js';
import { useLooks } from './use-looks.js';
import { useTerminalSize } from './use-terminal-size.js';

export interface QueueMonitorProps {
  readonly port: QueueMonitorPort;
  readonly clock: Clock;
  /** Colours, and commands in the form that works here. */
  readonly style: Omit<Layout, 'columns'>;
}

/** The live screen of `dogged queue`. */
export function QueueMonitor({ port, clock, style }: QueueMonitorProps): ReactElement {
  const { exit } = useApp();
  const size = useTerminalSize();
  const [state, setState] = useState(FIRST_STATE);
  const [look, setLook] = useState<QueueLook | null>(null);
  // The job that the look was asked for: another one is not known to be gone before it was looked for.
  const [soughtJob, setSoughtJob] = useState<JobId | null>(null);
  // What is typed before the next frame builds on what was typed before it.
  const current = useRef(state);
  // One row stays free: ink clears the whole screen before each picture that fills it.
  const rows = Math.max(1, size.rows - 1);
  const shown = useRef<Shown>({ listRows: rows, jobRows: rows, jobLines: 0, pausedTasks: [] });

  const dispatch = (event: MonitorEvent) => {
    const { state: next, action, quit } = reduce(current.current, event);
    current.current = next;
    setState(next);
    if (quit) exit();
    if (action === undefined) return;
    void port.act(action).then((notice) => {
      dispatch({ kind: 'acted', notice });
      lookNow();
    });
  };

  const { listRows } = shown.current;
  const open = state.open?.id ?? null;
  const { position } = state;
  const lookNow = useLooks(port, clock, { page: { ...position, rows: listRows }, open }, (request, seen) => {
    setLook(seen);
    setSoughtJob(request.open);
    const { rows: asked, ...page } = request.page;
    // The request holds a copy of the position that it was made for.
    const now = current.current.position;
    const isSame = page.filter === now.filter && page.top === now.top && page.shift === now.shift;
    dispatch({
      kind: 'looked',
      position: isSame ? now : page,
      listRows: Math.min(asked, shown.current.listRows),
      look: seen,
      monotonicMs: clock.monotonicMs(),
    });
  });
  useInput((input, key) => {
    const press = keyPressOf(input, key);
    if (press !== null) dispatch({ kind: 'key', key: press, shown: shown.current });
  });

  const layout: Layout = { ...style, columns: size.columns };
  const details = look?.open != null && look.open.id === open ? look.open : null;
  const lines = useOpenJob(open !== null, soughtJob === open, details, look, layout);
  if (look === null) return <Lines lines={['']} />;
  const frame = composeFrame(state, look, lines, layout, rows);
  shown.current = frame.shown;
  return (
    <Box flexDirection="column" height={rows}>
      <Lines lines={frame.panel} />
      <Lines lines={frame.body} />
      <Box flexGrow={1} />
      <Lines lines={frame.foot} />
    </Box>
  );
}

/** The lines of the open job. They are made anew only when it has changed: its output may be large. */
function useOpenJob(
  isOpen: boolean,
  wasSought: boolean,
  job: QueueLook['open'],
  look: QueueLook | null,
  layout: Layout,
): readonly string[] | null {
  const stamp = job === null ? '' : `${job.id} ${job.place} ${job.attempts} ${job.history.length}`;
  const second = job?.place === 'running' ? look?.snapshot.takenAtMs : 0;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the stamp stands for the job
  return useMemo(() => {
    if (!isOpen) return null;
    if (job !== null && look !== null) return jobLines(job, look.snapshot, layout);
    return [wasSought ? 'This job cannot be read just now, or it was pruned.' : ''];
  }, [isOpen, wasSought, stamp, second, layout.columns]);
}
