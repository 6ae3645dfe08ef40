/** Compared at once by native code; only the stretch that differs is looked at byte by byte. */
const STRETCH_BYTES = 64 * 1024;

/** How many bytes two contents have in common at their beginning and, apart from those, at their end. */
export function commonEnds(a: Buffer, b: Buffer): { readonly head: number; readonly tail: number } {
  const length = Math.min(a.length, b.length);
  const head = grow(length, (from, to) => a.compare(b, from, to, from, to) === 0);
  const tail = grow(
    length - head,
    (from, to) => a.compare(b, b.length - to, b.length - from, a.length - to, a.length - from) === 0,
  );
  return { head, tail };
}

/** The largest length up to which all stretches are the same. */
function grow(most: number, isSame: (from: number, to: number) => boolean): number {
  let at = 0;
  for (let step = STRETCH_BYTES; step >= 1; ) {
    const to = Math.min(most, at + step);
    if (to > at && isSame(at, to)) at = to;
    else step = Math.floor(step / 2);
    if (at === most) break;
  }
  return at;
}
