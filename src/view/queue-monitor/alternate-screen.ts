const ENTER = '\x1b[?1049h\x1b[H';
const LEAVE = '\x1b[?25h\x1b[?1049l';
/** Part of what ink writes to clear a screen: it would take what the user can scroll back to, which is not ours. */
const ERASE_SCROLLBACK = '\x1b[3J';
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Runs `work` on the terminal's other screen, so that what stood there is there again afterwards: also after an error, and
 * after a signal, of which `work` is told so that it can come to its end.
 */
export async function onAlternateScreen(
  terminal: NodeJS.WriteStream,
  work: (stdout: NodeJS.WriteStream, onSignal: (listener: () => void) => void) => Promise<void>,
): Promise<void> {
  const listeners: (() => void)[] = [];
  const onSignal = () => {
    for (const listener of listeners) listener();
  };
  let isEntered = true;
  const leave = () => {
    if (isEntered) terminal.write(LEAVE);
    isEntered = false;
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  process.on('exit', leave);
  terminal.write(ENTER);
  try {
    await work(withoutScrollback(terminal), (listener) => listeners.push(listener));
  } finally {
    leave();
    process.off('exit', leave);
    for (const signal of SIGNALS) process.off(signal, onSignal);
  }
}

function withoutScrollback(terminal: NodeJS.WriteStream): NodeJS.WriteStream {
  const write = (text: string | Uint8Array, ...rest: []) =>
    terminal.write(typeof text === 'string' ? text.replaceAll(ERASE_SCROLLBACK, '') : text, ...rest);
  return new Proxy(terminal, {
    get(target, name) {
      if (name === 'write') return write;
      const value = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
