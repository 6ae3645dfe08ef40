/*
 * How many columns of a terminal a text takes. Emulators disagree on rare characters; this follows what most do:
 * two for East Asian wide characters and emoji, none for marks that combine.
 */

const PLAIN = /^[\x20-\x7e]*$/;
const ZERO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}]$/u;
const EMOJI = /^\p{Emoji_Presentation}$/u;
const EMOJI_SELECTOR = 0xfe0f;
const JOINER = 0x200d;

export function textWidth(text: string): number {
  if (PLAIN.test(text)) return text.length;
  let width = 0;
  for (const [, glyphWidth] of glyphs(text)) width += glyphWidth;
  return width;
}

/** Cut to `width` columns, the last of which is `…` when something is missing. */
export function truncateText(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  if (width <= 0) return '';
  let kept = '';
  let used = 0;
  for (const [glyph, glyphWidth] of glyphs(text)) {
    if (used + glyphWidth > width - 1) break;
    kept += glyph;
    used += glyphWidth;
  }
  return `${kept}…`;
}

export function padText(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const space = ' '.repeat(Math.max(0, width - textWidth(text)));
  return align === 'right' ? space + text : text + space;
}

/** Code points with their widths, what combines with the one before it included there. */
function* glyphs(text: string): Generator<[glyph: string, width: number]> {
  let glyph = '';
  let width = 0;
  let joined = false;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    const attaches = glyph !== '' && (joined || code === JOINER || ZERO_WIDTH.test(character));
    if (attaches) {
      glyph += character;
      if (code === EMOJI_SELECTOR) width = 2;
    } else {
      if (glyph !== '') yield [glyph, width];
      glyph = character;
      width = characterWidth(character, code);
    }
    joined = code === JOINER;
  }
  if (glyph !== '') yield [glyph, width];
}

function characterWidth(character: string, code: number): number {
  if (code < 0x300) return 1;
  if (ZERO_WIDTH.test(character)) return 0;
  // Two regional indicators make one flag of two columns.
  if (code >= 0x1f1e6 && code <= 0x1f1ff) return 1;
  return isWide(code) || EMOJI.test(character) ? 2 : 1;
}

/** Blocks of East Asian width W and F (Unicode Standard Annex 11), emoji aside. */
function isWide(code: number): boolean {
  return (
    (code >= 0x1100 && code <= 0x115f) ||
    (code >= 0x2e80 && code <= 0x303e) ||
    (code >= 0x3041 && code <= 0xa4cf) ||
    (code >= 0xa960 && code <= 0xa97c) ||
    (code >= 0xac00 && code <= 0xd7a3) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0xfe30 && code <= 0xfe6f) ||
    (code >= 0xff00 && code <= 0xff60) ||
    (code >= 0xffe0 && code <= 0xffe6) ||
    (code >= 0x17000 && code <= 0x18aff) ||
    (code >= 0x1b000 && code <= 0x1b2ff) ||
    (code >= 0x20000 && code <= 0x3fffd)
  );
}
