const PLACEHOLDER = /\{\{\s*([^{}]+?)\s*\}\}/g;

export type FilledArguments =
  | { readonly ok: true; readonly argv: readonly string[] }
  | { readonly ok: false; readonly reason: string };

/**
 * Fills `{{field}}` (or `{{/json/pointer}}`) in the arguments of a command with text, numbers and booleans of the
 * payload. One argument stays one argument, whatever the value holds. The first, the program, is never filled.
 *
 * Refused, since no later try can mend it: a field that is missing or is an object, a list or null; a number beyond
 * 2^53, whose digits would change; a NUL; and a value that would begin an argument with `-`, and so could pass for
 * an option, unless it stands after `--`.
 */
export function fillArguments(argv: readonly string[], payload: () => unknown): FilledArguments {
  if (!argv.some((argument, index) => index > 0 && argument.includes('{{'))) return { ok: true, argv };
  const root = payload();
  const filled: string[] = [];
  let afterDashes = false;
  for (const [index, template] of argv.entries()) {
    if (index === 0) {
      filled.push(template);
      continue;
    }
    let problem: string | null = null;
    const argument = template.replace(PLACEHOLDER, (whole, field: string) => {
      const value = valueText(fieldOf(root, field));
      if (value.problem !== null) problem ??= `${whole} ${value.problem}`;
      return value.text;
    });
    if (problem !== null) return { ok: false, reason: problem };
    if (argument.startsWith('-') && !template.startsWith('-') && !afterDashes) {
      const reason = `${template} begins with "-", which could pass for an option: put "--" before it`;
      return { ok: false, reason };
    }
    filled.push(argument);
    if (template === '--') afterDashes = true;
  }
  return { ok: true, argv: filled };
}

function fieldOf(root: unknown, field: string): unknown {
  const path = field.startsWith('/')
    ? field
        .slice(1)
        .split('/')
        .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    : [field];
  let value = root;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  return value;
}

function valueText(value: unknown): { readonly text: string; readonly problem: string | null } {
  const refuse = (problem: string) => ({ text: '', problem });
  switch (typeof value) {
    case 'string':
      return value.includes('\0') ? refuse('holds a NUL character') : { text: value, problem: null };
    case 'boolean':
      return { text: String(value), problem: null };
    case 'number':
      return Math.abs(value) > Number.MAX_SAFE_INTEGER
        ? refuse('is a number that cannot be told exactly')
        : { text: String(value), problem: null };
    case 'undefined':
      return refuse('is not in the payload');
    default:
      return refuse('is not text, a number, true or false');
  }
}
