import { isSecretName, REMOVED, type SecretRemover } from './secret-remover.js';

/** An option whose value is the next argument: `--token x`, `-u name:word` of curl, `-p x`. */
const SECRET_OPTION =
  /^(?:-u|--user|--proxy-user|--?[\w-]*(?:token|secret|passw(?:or)?d|api-?key|auth)[\w-]*)$/i;

/** Stands in place of what the jobs of `every` are handed. */
const PAYLOAD_LEFT_OUT = '[left out: it is a payload]';

/**
 * A config as it was read, without what is no affair of others: the values of `env`, what a name or an option calls secret, all
 * of a webhook but its host, what the program of an alert is given, and what looks like a token. All of it is learned, so
 * that it is removed elsewhere, too.
 */
export function configWithoutSecrets(
  value: unknown,
  secrets: SecretRemover,
  { withPayloads }: { readonly withPayloads: boolean },
): unknown {
  return visit(withPayloads ? value : withoutPayloads(value, secrets), secrets);
}

/** `settings.json`: as much of a config as the monitor must know, alerts among it, in the words of the program. */
export function settingsWithoutSecrets(text: string, secrets: SecretRemover): string {
  return JSON.stringify(visit(JSON.parse(text), secrets));
}

function withoutPayloads(value: unknown, secrets: SecretRemover): unknown {
  if (!isMap(value) || !isMap(value['sources'])) return value;
  const sources = Object.entries(value['sources']).map(([name, source]) => {
    if (!isMap(source) || source['payload'] === undefined) return [name, source];
    // One that is no object is refused, with its text in the complaint.
    if (typeof source['payload'] === 'string') secrets.learn(source['payload']);
    return [name, { ...source, payload: PAYLOAD_LEFT_OUT }];
  });
  return { ...value, sources: Object.fromEntries(sources) };
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function visit(value: unknown, secrets: SecretRemover): unknown {
  if (typeof value === 'string') return secrets.cleanAndLearn(value);
  if (Array.isArray(value)) return visitList(value, secrets);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, visitNamed(name, inner, secrets)]),
  );
}

function visitNamed(name: string, value: unknown, secrets: SecretRemover): unknown {
  if ((name === 'webhook' || name === 'url') && typeof value === 'string') return hostOnly(value, secrets);
  if ((name === 'exec' || name === 'argv') && Array.isArray(value)) return programOnly(value, secrets);
  // What `env` holds is for programs alone; a name that says so is believed wherever it stands.
  if (name === 'env' || (isSecretName(name) && typeof value !== 'boolean')) return hide(value, secrets);
  return visit(value, secrets);
}

function visitList(list: readonly unknown[], secrets: SecretRemover): unknown[] {
  return list.map((item, i) => {
    const option = list[i - 1];
    const isSecret = typeof option === 'string' && SECRET_OPTION.test(option) && typeof item === 'string';
    if (!isSecret) return visit(item, secrets);
    secrets.learnCredentials(item);
    return REMOVED;
  });
}

/** The names stay: that a variable is set may be what the report is about. */
function hide(value: unknown, secrets: SecretRemover): unknown {
  if (Array.isArray(value)) return value.map((item) => hide(item, secrets));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, hide(inner, secrets)]));
  }
  if (value === null || value === undefined) return value;
  secrets.learn(String(value));
  return REMOVED;
}

function hostOnly(url: string, secrets: SecretRemover): string {
  secrets.learn(url);
  try {
    const { protocol, host, pathname } = new URL(url);
    secrets.learn(pathname.slice(1));
    return `${protocol}//${host}/${REMOVED}`;
  } catch {
    // No URL: `dogged check` says so, and what it is instead stays unknown.
    return REMOVED;
  }
}

/** Of the command of an alert: a token may stand in any of its arguments, or in the script that one of them is. */
function programOnly([program, ...args]: readonly unknown[], secrets: SecretRemover): unknown[] {
  visitList([program, ...args], secrets);
  for (const arg of args.map(String)) {
    for (const [url] of arg.matchAll(URL_IN_TEXT)) hostOnly(url, secrets);
    // A plain word may stand anywhere, and says nothing by itself.
    if (NO_PLAIN_WORD.test(arg)) secrets.learn(arg);
  }
  return [visit(program, secrets), ...args.map(() => REMOVED)];
}

const URL_IN_TEXT = /\bhttps?:\/\/[^\s"'<>\\]+/g;
const NO_PLAIN_WORD = /\d|\s|:\/\//;

const ASSIGNED =
  /(?:^|[\s{,])["']?([A-Za-z_][\w.-]*)["']?\s*[:=]\s*("[^"\n]*"|'[^'\n]*'|`[^`]*`|[^\s,{}[\]#][^\n,{}#]*)/gm;

/** In a list of arguments: an option, and what follows it. */
const FOLLOWED = /(?<![\w-])(--?[A-Za-z][\w-]*)["']?[\s,]{1,99}(?:- {1,9})?["']?([^\s"',\]]+)/g;

/**
 * Learns the likely secrets from the text of a config, which may be one that no parser can read: it is shown nowhere, but what
 * stands in it may stand in the logs. Whatever is assigned to a name in capitals, as variables have them, or to one or an
 * option that calls itself secret.
 */
export function learnFromText(text: string, secrets: SecretRemover): void {
  secrets.cleanAndLearn(text);
  for (const [, name = '', value = ''] of text.matchAll(ASSIGNED)) {
    if (/^[A-Z][A-Z0-9_]*$/.test(name) || isSecretName(name)) {
      secrets.learn(value.trim().replace(/^(["'`])(.*)\1$/s, '$2'));
    }
  }
  for (const [, option = '', value = ''] of text.matchAll(FOLLOWED)) {
    if (SECRET_OPTION.test(option)) secrets.learnCredentials(value);
  }
}
