import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FIXTURES } from '../dispatch/rig.js';
import { workplace } from '../support/dogged.js';
import { tempFolder } from '../support/temp-folder.js';
import { until } from '../support/until.js';

/** The first time a stubborn family; the second time it writes down which of that family it still finds alive. */
const HANDLER = `#!/bin/sh
[ "$DOGGED_ATTEMPT" -gt 1 ] || exec ${FIXTURES}/family wait
for pid in $(cat "$DOGGED_STATE_DIR/family"); do
  [ -d "/proc/$pid" ] && ! grep -q '^State:.Z' "/proc/$pid/status" && echo "$pid" >> alive
done
touch second
`;

test('when the worker is killed, all that it had started is gone before the next one runs anything', async () => {
  const folder = tempFolder();
  writeFileSync(join(folder, 'handler'), HANDLER, { mode: 0o755 });
  writeFileSync(join(folder, 'dogged.config.yaml'), 'tasks:\n  tree: { run: [./handler] }\n');
  const place = workplace(folder);
  place.run('start');
  const [{ id }] = place.json('add', 'tree');
  const family = () =>
    readFileSync(join(folder, 'state', 'family'), 'utf8')
      .trim()
      .split('\n');
  await until(() => family().length === 3);
  process.kill(place.workerPid(), 'SIGKILL');
  expect(place.run('wait', id, '--timeout', '20s')).toMatchObject({ status: 0 });
  expect(existsSync(join(folder, 'second'))).toBe(true);
  expect(existsSync(join(folder, 'alive'))).toBe(false);
}, 60_000);
