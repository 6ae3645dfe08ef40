import { countText, sizeText } from '../platform/duration-text.js';

/** How far a reading has come: `reading, 41 % of 10 GB`. */
export function readingText(reading: {
  readonly unit: 'bytes' | 'files';
  readonly done: number;
  readonly total: number;
}): string {
  const { unit, done, total } = reading;
  const percent = total === 0 ? 100 : Math.floor((done / total) * 100);
  const whole = unit === 'bytes' ? sizeText(total) : `${countText(total)} files`;
  return `reading, ${percent} % of ${whole}`;
}
