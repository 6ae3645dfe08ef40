import { render } from 'ink';
import { onAlternateScreen } from './alternate-screen.js';
import { QueueMonitor, type QueueMonitorProps } from './queue-monitor.js';

/** Shows the live screen until it is quit, and gives the terminal back as it was, whatever happens. */
export function openQueueMonitor(props: QueueMonitorProps): Promise<void> {
  return onAlternateScreen(process.stdout, async (stdout, onSignal) => {
    const screen = render(<QueueMonitor {...props} />, { stdout, stdin: process.stdin, patchConsole: false });
    onSignal(() => screen.unmount());
    await screen.waitUntilExit();
  });
}
