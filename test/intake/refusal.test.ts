import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { REFUSAL_REASONS } from '../../src/intake/refusal.js';

const page = readFileSync(join(import.meta.dirname, '../../docs/sources.md'), 'utf8');

describe('the reasons of refusals', () => {
  it('each stand in docs/sources.md, and every one that stands there exists', () => {
    const table = page.slice(
      page.indexOf('| reason | meaning |'),
      page.indexOf('## What else may stand in the way'),
    );
    const documented = [...table.matchAll(/^\| `([\w-]+)` \|/gm)].map(([, reason]) => reason);
    expect(documented.sort()).toEqual([...REFUSAL_REASONS].sort());
  });
});
