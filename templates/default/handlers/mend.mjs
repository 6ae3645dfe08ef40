// Two simple mends for JavaScript that does not parse. They know strings, comments and brackets, and nothing else.

const CLOSER = { '(': ')', '[': ']', '{': '}' };

/** Closes quotes at the end of their line, and brackets at the end of the text; drops closing brackets that close nothing. */
export function closeWhatIsOpen(source) {
  const open = [];
  let mended = '';
  let quote = null;
  for (let i = 0; i < source.length; i += 1) {
    const char = source[i];
    if (quote === null && char === '/' && (source[i + 1] === '/' || source[i + 1] === '*')) {
      const end = source[i + 1] === '/' ? source.indexOf('\n', i) : source.indexOf('*/', i + 2) + 2;
      const stop = end <= i + 1 ? source.length : end;
      mended += source.slice(i, stop);
      i = stop - 1;
    } else if (quote !== null) {
      if (char === '\n' && quote !== '`') {
        mended += quote;
        quote = null;
      } else if (char === quote) quote = null;
      mended += char;
      if (char === '\\') mended += source[(i += 1)] ?? '';
    } else if (char in CLOSER) {
      open.push(CLOSER[char]);
      mended += char;
    } else if (char === ')' || char === ']' || char === '}') {
      if (open.at(-1) !== char) continue;
      open.pop();
      mended += char;
    } else {
      if (char === '"' || char === "'" || char === '`') quote = char;
      mended += char;
    }
  }
  if (quote !== null) mended = `${mended.trimEnd()}${quote}\n`;
  return open.length === 0 ? mended : `${mended.trimEnd()}\n${open.reverse().join('')}\n`;
}

/** Line numbers are from 1. The line stays readable, with the reason beside it; one that is a comment already stays as it is. */
export function commentOutLine(source, line, reason) {
  const lines = source.split('\n');
  const index = Math.min(line, lines.length) - 1;
  if (lines[index].startsWith('// ')) return source;
  lines[index] = `// ${lines[index]} // commented out: ${reason}`;
  return lines.join('\n');
}
