/** `DOGGED__HEALTH__STUCK=60s`. Two underscores, so that it never meets a variable that a handler gets. */
const VARIABLE_PREFIX = 'DOGGED__';

/** A name as variables are compared: case, `-`, `_` and `.` make no difference. */
export function plainName(name: string): string {
  return name.toLowerCase().replace(/[-_.]/g, '');
}

/** The variables that mean settings, in the order in which they are laid over the config: of two, the last one holds. */
export function settingVariables(
  environment: Readonly<Record<string, string | undefined>>,
): readonly { readonly variable: string; readonly segments: readonly string[]; readonly text: string }[] {
  return Object.keys(environment)
    .filter((variable) => variable.startsWith(VARIABLE_PREFIX))
    .sort()
    .flatMap((variable) => {
      const text = environment[variable];
      return text === undefined
        ? []
        : [{ variable, segments: variable.slice(VARIABLE_PREFIX.length).split('__'), text }];
    });
}
