/** `[██████░░░░] 60 %`, `width` columns wide in all, at least 10. */
export function progressBar(done: number, total: number, width: number): string {
  const share = total <= 0 ? 1 : Math.min(1, Math.max(0, done / total));
  const label = ` ${Math.floor(share * 100)} %`.padStart(6);
  const room = Math.max(10, width) - label.length - 2;
  const filled = Math.floor(share * room);
  return `[${'█'.repeat(filled)}${'░'.repeat(room - filled)}]${label}`;
}
