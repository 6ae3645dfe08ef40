/**
 * Control, bidirectional and invisible characters: what a hostile file name or record could use to move a terminal's
 * cursor, to colour its screen, or to make text read otherwise than it is. Lone surrogates too: they cannot be printed.
 */
const UNSAFE =
  /[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]|\udb40[\udc00-\udc7f]/g;

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** Text from a file, a payload or another program, as one line that is safe to show. Nothing is dropped. */
export function escapeText(text: string): string {
  return text.replace(UNSAFE, escapeCharacter);
}

/** The same for a text of several lines: line ends and tabs stay. */
export function escapeLines(text: string): string {
  return text
    .replace(/\r\n/g, '\n')
    .replace(UNSAFE, (found) => (found === '\n' || found === '\t' ? found : escapeCharacter(found)));
}

/**
 * JSON text whose strings hold no such character raw. Still the same JSON value: in valid JSON these characters stand
 * inside strings only, where `\uXXXX` means the same.
 */
export function escapeJson(json: string): string {
  return json.replace(UNSAFE, (found) => {
    let out = '';
    for (let i = 0; i < found.length; i += 1) out += unicodeEscape(found.charCodeAt(i));
    return out;
  });
}

function escapeCharacter(found: string): string {
  const short = SHORT[found];
  if (short !== undefined) return short;
  if (found.length > 1) return `\\u{${found.codePointAt(0)?.toString(16)}}`;
  const code = found.charCodeAt(0);
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : unicodeEscape(code);
}

function unicodeEscape(code: number): string {
  return `\\u${code.toString(16).padStart(4, '0')}`;
}
