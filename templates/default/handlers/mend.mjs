// Two simple mends for JavaScript that does not parse. They know strings, comments and brackets, and nothing else.

const CLOSER = { '(': ')', '[': ']', '{': '}' };
const CLOSING = Object.values(CLOSER);

/** A comment, a string (its quote, and its end if it has one), a template (its end, if it has one), or a bracket. */
const TOKEN =
  /\/\/.*|\/\*[\s\S]*?(?:\*\/|$)|(["'])(?:\\.|(?!\1)[^\\\n])*(\1?)|`(?:\\[\s\S]|[^`\\])*(`?)|[()[\]{}]/g;

/** Closes quotes at the end of their line, and brackets at the end of the text; drops closing brackets that close nothing. */
export function closeWhatIsOpen(source) {
  const open = [];
  const mended = source.replace(TOKEN, (token, quote, end, templateEnd) => {
    if (quote !== undefined) return end === '' ? token + quote : token;
    if (token.startsWith('`')) return templateEnd === '' ? `${token.trimEnd()}\`` : token;
    if (token in CLOSER) open.push(CLOSER[token]);
    if (!CLOSING.includes(token)) return token;
    return open.at(-1) === token ? open.pop() : '';
  });
  if (open.length > 0) return `${mended.trimEnd()}\n${open.reverse().join('')}\n`;
  return mended.endsWith('\n') ? mended : `${mended}\n`;
}

/** Line numbers are from 1. The line stays readable, with the reason beside it; one that is a comment already stays as it is. */
export function commentOutLine(source, line, reason) {
  const lines = source.split('\n');
  const index = Math.min(line, lines.length) - 1;
  if (lines[index].startsWith('// ')) return source;
  lines[index] = `// ${lines[index]} // commented out: ${reason}`;
  return lines.join('\n');
}
