import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { workplace } from '../support/dogged.js';
import { tempFolder } from '../support/temp-folder.js';

it('worker --until-idle names the file that it waits for, once, and ends when the wait is over', () => {
  const folder = tempFolder();
  const place = workplace(folder);
  writeFileSync(
    join(folder, 'dogged.config.yaml'),
    'sources: { ideas: { log: ./ideas.json, task: go, quarantineAfter: 2s } }\ntasks: { go: { run: ["true"] } }\n',
  );
  writeFileSync(join(folder, 'ideas.json'), '{"half": ');
  const { status, stderr } = place.run('worker', '--until-idle');
  expect(status).toBe(0);
  expect(stderr.match(/waiting for \S+ideas\.json/g)).toHaveLength(1);
});
