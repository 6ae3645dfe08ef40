/** Stands where a secret stood. */
export const REMOVED = '[removed]';

/** Shorter ones are too common to be looked for: an `env` value of `1` would take every 1 out of the text. */
const SHORTEST_LOOKED_FOR = 6;
/** Where a text was cut off, the beginning of a secret may stand before the mark. */
const SHORTEST_BEGINNING = 4;

const SECRET_WORDS =
  /^(?:secrets?|tokens?|apikeys?|password|passwords|passwd|passphrase|pwd|pw|credentials?|auth|authorization|cookies?|bearer|signature|webhooks?)$/;
const SECRET_PAIRS = /(?:^| )(?:api|access|private|secret|session|signing|encryption) (?:keys?|id)(?: |$)/;

/** Whether a name says that its value is no affair of others: `API_KEY`, `githubToken`, `x-auth`. */
export function isSecretName(name: string): boolean {
  // The working folder, in every environment.
  if (name === 'PWD') return false;
  const words = name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/);
  return words.some((word) => SECRET_WORDS.test(word)) || SECRET_PAIRS.test(words.join(' '));
}

/** Each with what stands before the secret as its first group. */
const PATTERNS: readonly RegExp[] = [
  /()-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g,
  /((?:proxy-)?authorization(?:\\?["'])?\s{0,9}[:=]\s{0,9}(?:\\?["'])?)(?:(?:basic|bearer|token|digest|negotiate)\s+)?(?:\[removed\]|[^\s"',;\\}\]])+/gi,
  /(\b(?:bearer|basic)\s+)[A-Za-z0-9+/_.~-]{8,}=*/gi,
  /(\b(?:set-)?cookie["']?\s{0,9}:\s{0,9})[^\n"'\\]+/gi,
  // The user part of a URL, and whatever follows its path.
  /(\b[a-z][a-z0-9+.-]{0,20}:\/\/)[^\s/?#"'\\@]{1,2000}(?=@)/gi,
  /(\b[a-z][a-z0-9+.-]{0,20}:\/\/[^\s"'<>\\?#]{1,2000}[?#])[^\s"'<>\\]+/gi,
  // Known shapes: GitHub, GitLab, Slack, OpenAI and its like, AWS, Google, npm, Stripe, JWT.
  /()\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[a-z]-[\w-]{10,}|sk-[\w-]{16,}|[sr]k_(?:live|test)_\w{10,}|(?:AKIA|ASIA)[A-Z0-9]{16}|AIza[\w-]{30,}|npm_[A-Za-z0-9]{30,}|eyJ[\w-]{8,}\.[\w-]{4,}\.?[\w-]*)/g,
  // Long, and of capitals, small letters and digits: no word, no path, no hash in hex.
  /()(?<![A-Za-z0-9_])(?=[A-Za-z0-9_]*[a-z])(?=[A-Za-z0-9_]*[A-Z])(?=[A-Za-z0-9_]*\d)[A-Za-z0-9_]{20,256}(?![A-Za-z0-9_])/g,
];

/** What stands before a value: `name=`, `name: `, `"name":"`, also inside a JSON string; `--name `. */
const BEFORE_VALUE: readonly RegExp[] = [
  /\b([A-Za-z][\w.-]{0,60})(?:\\?["'])?\s{0,9}[:=]\s{0,9}(?:\\?["'])?/g,
  /(?<![\w-])--?([A-Za-z][\w.-]{0,60})\s{1,9}["']?/g,
];
/** A webhook of which all else is gone already. */
const HOST_ONLY = /^https?:\/\/[^\s/@?#]+\/\[removed\]$/;
/** After a quote, up to the next one. */
const VALUE = /(?<=["'])[^"'\\\n]+|(?:\[removed\]|[^\s"',;&}\])\\])+/y;

export interface SecretRemover {
  /** From now on this text is removed wherever it stands, also as it stands in JSON, in a URL or in base64. */
  learn(secret: string): void;
  /** As `learn`, of `Bearer word` and `name:word`: the word by itself, too. */
  learnCredentials(text: string): void;
  /** The text without what was learned, and without what looks like a secret. */
  clean(text: string): string;
  /** As `clean`; what looked like a secret is learned, too. For what holds secrets by its nature, such as a config. */
  cleanAndLearn(text: string): string;
}

export function createSecretRemover(): SecretRemover {
  const known = new Set<string>();
  let longestFirst: readonly string[] | null = null;

  const learn = (secret: string) => {
    const trimmed = secret.trim();
    if (trimmed.length < SHORTEST_LOOKED_FOR || trimmed.includes(REMOVED)) return;
    const inJson = JSON.stringify(trimmed).slice(1, -1);
    const inBase64 = Buffer.from(trimmed).toString('base64').replace(/=+$/, '');
    for (const form of [trimmed, inJson, encodeURIComponent(trimmed), inBase64]) known.add(form);
    longestFirst = null;
  };

  const learnCredentials = (text: string) => {
    learn(text);
    learn(text.split(/[\s:]/).at(-1) ?? '');
  };

  const removeKnown = (text: string) => {
    longestFirst ??= [...known].sort((a, b) => b.length - a.length);
    let cleaned = text;
    for (const secret of longestFirst) cleaned = cleaned.replaceAll(secret, REMOVED);
    return removeBeginnings(cleaned, longestFirst);
  };

  const removeLikely = (text: string, found: (secret: string) => void) => {
    let cleaned = text;
    for (const pattern of PATTERNS) {
      cleaned = cleaned.replace(pattern, (whole: string, before: string) => {
        const secret = whole.slice(before.length);
        if (secret === REMOVED) return whole;
        found(secret);
        return before + REMOVED;
      });
    }
    for (const pattern of BEFORE_VALUE) cleaned = removeNamed(cleaned, pattern, found);
    return cleaned;
  };

  return {
    learn,
    learnCredentials,
    clean: (text) => removeLikely(removeKnown(text), () => undefined),
    cleanAndLearn: (text) => removeLikely(removeKnown(text), learnCredentials),
  };
}

/** Whatever has a secret's name. What another name stands before is looked through, too: it may be a whole line. */
function removeNamed(text: string, beforeValue: RegExp, found: (secret: string) => void): string {
  let cleaned = '';
  let done = 0;
  for (const { 0: before, 1: name = '', index } of text.matchAll(beforeValue)) {
    if (index < done || !isSecretName(name)) continue;
    VALUE.lastIndex = index + before.length;
    const value = VALUE.exec(text)?.[0];
    if (value === undefined || value === REMOVED || HOST_ONLY.test(value)) continue;
    found(value);
    cleaned += text.slice(done, index + before.length) + REMOVED;
    done = index + before.length + value.length;
  }
  return cleaned + text.slice(done);
}

function removeBeginnings(text: string, secrets: readonly string[]): string {
  if (!text.includes('…')) return text;
  const [first = '', ...rest] = text.split('…');
  const parts = [first, ...rest];
  for (let i = 0; i < parts.length - 1; i += 1) {
    const part = parts[i] ?? '';
    const cut = Math.max(0, ...secrets.map((secret) => beginningAtEnd(part, secret)));
    if (cut > 0) parts[i] = part.slice(0, -cut) + REMOVED;
  }
  return parts.join('…');
}

/** How many characters of the secret's beginning stand at the end of the text. */
function beginningAtEnd(text: string, secret: string): number {
  for (let length = Math.min(text.length, secret.length); length >= SHORTEST_BEGINNING; length -= 1) {
    if (text.endsWith(secret.slice(0, length))) return length;
  }
  return 0;
}
