import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.js';
import { attemptEnvironment, MARK_VARIABLES } from '../../src/dispatch/child-environment.js';
import type { Claim } from '../../src/store/contract.js';
import { tempFolder } from '../support/temp-folder.js';
import { commandTask, createRig, type Rig } from './rig.js';

const PAGE = readFileSync(new URL('../../docs/handlers.md', import.meta.url), 'utf8');

/** Fenced blocks of the page that name a file. */
function examples(): Map<string, string> {
  const found = [...PAGE.matchAll(/^```\w+ (\S+)\n([\s\S]*?)^```$/gm)];
  return new Map(found.map(([, name = '', text = '']) => [name, text]));
}

async function rigOfThePage(): Promise<Rig> {
  const folder = tempFolder();
  const written = await createRig({ tasks: [], folder });
  for (const [name, text] of examples()) written.write(name, text, 0o644);
  await written.dispatcher.stop(0);
  const { tasks } = await loadConfig(join(folder, 'dogged.config.yaml'));
  const rig = await createRig({ tasks, folder });
  rig.dispatcher.start();
  return rig;
}

test('each example on the handlers page does what the page says', async () => {
  const rig = await rigOfThePage();
  rig.write('picture.png', '');
  const results: [string, unknown, unknown][] = [
    ['count-words', { text: 'one two three' }, { words: 3 }],
    ['resize', { file: 'picture.png', width: 320 }, { file: 'picture.png', width: 320 }],
    ['greet', { title: 'hello' }, null],
    ['echo-node', { title: 'hello' }, { title: 'hello' }],
    ['echo-python', { title: 'hello' }, { title: 'hello' }],
    ['echo-sh', { title: 'hello' }, 'handled by sh'],
    ['summarise', { text: 'one two' }, { job: expect.any(String), attempt: 1, words: 2 }],
  ];
  for (const [task, payload, result] of results) {
    const job = await rig.until(await rig.add(task, payload), 'completed');
    expect(job.result === null ? null : JSON.parse(job.result), task).toEqual(result);
    if (task === 'greet') expect(rig.read(`outputs/${job.id}.json`)).toBe('{"title":"hello"}\n');
  }
});

test('the examples refuse what they say that they refuse', async () => {
  const rig = await rigOfThePage();
  const refused = await rig.until(await rig.add('count-words', { text: 7 }), 'failed');
  expect(refused).toMatchObject({
    attempts: 1,
    reason: expect.stringContaining('the payload has no "text"'),
  });
  const thrown = await rig.until(await rig.add('summarise', {}), 'failed');
  expect(thrown).toMatchObject({ attempts: 1, reason: 'the payload has no "text"' });
});

test('the page names every variable that a handler gets', () => {
  const claim = { id: '1', key: 'k', source: 's', attempt: 1, workspace: 'w' } as Claim;
  const names = [
    ...Object.keys(attemptEnvironment(claim, commandTask('t', ['true']), '/state')),
    ...Object.values(MARK_VARIABLES),
  ];
  for (const name of names) expect(PAGE, name).toContain(`\`${name}\``);
});
