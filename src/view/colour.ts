const CODES = { bold: 1, dim: 2, inverse: 7, red: 31, green: 32, yellow: 33, blue: 34, cyan: 36 } as const;
export type Style = keyof typeof CODES;

/** Puts a style on text; gives the text back as it is where colour is not wanted. */
export type Paint = (text: string, style: Style) => string;

export function painter(colour: boolean): Paint {
  return colour ? (text, style) => `\x1b[${CODES[style]}m${text}\x1b[0m` : (text) => text;
}

/**
 * NO_COLOR (any value that is not empty) wins, then FORCE_COLOR (`0` and `false` mean no), then whether a terminal
 * that can do it is there.
 */
export function wantsColour(env: NodeJS.ProcessEnv, isTerminal: boolean): boolean {
  if (env['NO_COLOR']) return false;
  const force = env['FORCE_COLOR'];
  if (force !== undefined && force !== '') return force !== '0' && force !== 'false';
  return isTerminal && env['TERM'] !== 'dumb';
}
