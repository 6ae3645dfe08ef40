/*
 * How many columns of a terminal a text takes. Emulators disagree on rare characters; this follows what most do:
 * two for East Asian wide characters and emoji, none for marks that combine.
 */

const PLAIN = /^[\x20-\x7e]*$/;
const EMOJI_SELECTOR = 0xfe0f;
const JOINER = 0x200d;

type Range = readonly [from: number, to: number];

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

/** The text in pieces of at most `width` columns. A character that is wider than that stands alone. */
export function splitText(text: string, width: number): string[] {
  const pieces: string[] = [];
  let piece = '';
  let used = 0;
  for (const [glyph, glyphWidth] of glyphs(text)) {
    if (piece !== '' && used + glyphWidth > width) {
      pieces.push(piece);
      piece = '';
      used = 0;
    }
    piece += glyph;
    used += glyphWidth;
  }
  return [...pieces, piece];
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
    if (glyph !== '' && (joined || combines(code, character))) {
      glyph += character;
      if (code === EMOJI_SELECTOR) width = 2;
    } else {
      if (glyph !== '') yield [glyph, width];
      glyph = character;
      width = characterWidth(code, character);
    }
    joined = code === JOINER;
  }
  if (glyph !== '') yield [glyph, width];
}

function characterWidth(code: number, character: string): number {
  if (combines(code, character)) return 0;
  return isWide(code) ? 2 : 1;
}

/** Built only for scripts whose marks are scattered among their letters: compiling it takes longer than a screen. */
const MARK = /^[\p{Mn}\p{Me}\p{Cf}]$/u;

/** What most texts are made of, and what holds no mark that combines. */
const WITHOUT_MARKS: readonly Range[] = [
  [0x2010, 0x2027],
  [0x2030, 0x205f],
  [0x2070, 0x20cf],
  [0x2100, 0x2cee],
  [0x3000, 0x3029],
  [0x3030, 0x3098],
  [0x309b, 0xa66e],
  [0xac00, 0xfb1d],
  [0xfe30, 0xfefe],
  [0xff00, 0xfff8],
  [0x1f000, 0xe0000],
];

function combines(code: number, character: string): boolean {
  if (code < 0x300) return false;
  if (code <= 0x36f || code === JOINER || code === EMOJI_SELECTOR) return true;
  return !isIn(WITHOUT_MARKS, code) && MARK.test(character);
}

/** Blocks of East Asian width W and F (Unicode Standard Annex 11) with the emoji that are shown as pictures. */
function isWide(code: number): boolean {
  if (code < 0x1100) return false;
  if (code < 0x2e80) return code <= 0x115f || EMOJI_BELOW_CJK.has(code);
  return isIn(WIDE, code);
}

const WIDE: readonly Range[] = [
  [0x2e80, 0x303e],
  [0x3041, 0xa4cf],
  [0xa960, 0xa97c],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x16fe0, 0x18dff],
  [0x1b000, 0x1b2ff],
  [0x1f004, 0x1f004],
  [0x1f0cf, 0x1f0cf],
  [0x1f18e, 0x1f19a],
  [0x1f200, 0x1f320],
  [0x1f32d, 0x1f53d],
  [0x1f54b, 0x1f567],
  [0x1f57a, 0x1f57a],
  [0x1f595, 0x1f5a4],
  [0x1f5fb, 0x1f64f],
  [0x1f680, 0x1f6ff],
  [0x1f7e0, 0x1f7f0],
  [0x1f90c, 0x1f9ff],
  [0x1fa70, 0x1faff],
  [0x20000, 0x3fffd],
];

const EMOJI_BELOW_CJK = new Set(
  Array.from(
    '⌚⌛⏩⏪⏫⏬⏰⏳◽◾☔☕♈♉♊♋♌♍♎♏♐♑♒♓♿⚓⚡⚪⚫⚽⚾⛄⛅⛎⛔⛪⛲⛳⛵⛺⛽✅✊✋✨❌❎❓❔❕❗➕➖➗➰➿⬛⬜⭐⭕',
  ).map((c) => c.codePointAt(0)),
);

function isIn(ranges: readonly Range[], code: number): boolean {
  return ranges.some(([from, to]) => code >= from && code <= to);
}
