/** Gives a text of ours back with its commands in the form that works here. */
export type Remedy = (text: string) => string;

/** `init` reads no config, and a help is the same for all of them. */
const COMMAND = /(?<![\w/.-])dogged (?!init\b)([a-z]+)\b(?! --help)/g;
const PLAIN_WORD = /^[\w./:@%+=-]+$/;

/**
 * Whoever named a config has to name it again: the command that we advise would look for another one. Only for texts
 * that we wrote ourselves; what stands in a file may speak of dogged, too.
 */
export function remedyFor(config: string | undefined): Remedy {
  if (config === undefined) return (text) => text;
  const file = PLAIN_WORD.test(config) ? config : `'${config.replaceAll("'", "'\\''")}'`;
  return (text) => text.replace(COMMAND, (_, name: string) => `dogged ${name} -c ${file}`);
}
