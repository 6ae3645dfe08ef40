/** Freezes a parsed value and all that it holds: whoever is only to look at it changes nothing by mistake. */
export function deepFrozen<T>(root: T): T {
  const open: unknown[] = [root];
  // Without recursion: the depth is the user's to configure.
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (typeof at !== 'object' || at === null) continue;
    Object.freeze(at);
    for (const value of Object.values(at)) if (typeof value === 'object' && value !== null) open.push(value);
  }
  return root;
}
