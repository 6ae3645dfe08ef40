/** That a list ends where it was told to end. */
export function newestOnly(limit: number): string {
  const these = limit === 1 ? 'This is the newest one' : `These are the newest ${limit}`;
  return `${these}; there may be more: --limit N`;
}
