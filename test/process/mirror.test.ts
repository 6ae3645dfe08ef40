import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/platform/clock.js';
import { startCopy, startMirror } from '../../src/store/mirror/mirroring.js';
import { verifyMirror } from '../../src/store/mirror/verify.js';
import { openMirrorLink } from '../../src/store/mirror/work.js';
import { beginMove } from '../../src/store/sqlite/move-book.js';
import { openSqliteStore } from '../../src/store/sqlite/open.js';
import { parseMetrics } from '../metrics/parse-metrics.js';
import { workplace } from '../support/dogged.js';
import { hasRedis, NO_REDIS, type RedisServer, startRedis } from '../support/redis-server.js';
import { tempFolder } from '../support/temp-folder.js';

let redis: RedisServer;

const CONFIG = `
poll: 50ms
sources: { notes: { log: ./notes.ndjson, key: title, task: note } }
tasks: { note: { run: ["true"] } }
`;

describe.skipIf(!hasRedis())(
  `a worker that keeps a mirror${hasRedis() ? '' : ` (skipped: ${NO_REDIS})`}`,
  () => {
    beforeAll(async () => {
      redis = await startRedis(['--appendonly', 'yes']);
    });
    afterAll(() => redis.stop());

    it('and is killed before and after it has sent jobs leaves none that the mirror does not get, and counts what it sends', async () => {
      const folder = tempFolder();
      const at = (name: string) => join(folder, name);
      writeFileSync(at('dogged.config.yaml'), CONFIG);
      const titles = Array.from({ length: 30 }, (_, n) => `k${n}`);
      writeFileSync(at('notes.ndjson'), titles.map((title) => `${JSON.stringify({ title })}\n`).join(''));
      const quiet = { DOGGED__POLL: undefined, DOGGED__HEARTBEAT: undefined };
      const place = workplace(folder, quiet);
      // What is there before the mirror, and ends before it.
      expect((await place.runAside('worker', '--until-idle')).status).toBe(0);

      const sqlite = await openSqliteStore(at('state'), 'command', systemClock);
      const mirror = await sqlite.within(({ db }) => {
        beginMove(db, { source: 'sqlite', target: redis.url, phase: 'dual', startedAtMs: Date.now() });
        const id = startMirror(db);
        startCopy(db);
        return id;
      });
      for (const failpoint of ['mirror.before-send', 'mirror.after-send']) {
        const killed = await workplace(folder, { ...quiet, DOGGED_FAILPOINT: failpoint }).runAside('worker');
        expect(killed.stderr).toContain('killing this process');
      }
      expect(place.run('start').status).toBe(0);
      expect(place.run('add', 'note', '--key', 'later', '--payload', '{}').status).toBe(0);
      const link = openMirrorLink(redis.url, systemClock);
      await link.settled();
      const report = await verifyMirror({ sqlite, link, mirror, clock: systemClock, waitMs: 20_000 });
      expect(report).toMatchObject({ isEqual: true, jobs: 31, differences: [] });
      const { value } = parseMetrics(place.run('metrics').stdout);
      expect(value('dogged_dual_write_total', { workspace: 'default', result: 'written' })).toBeGreaterThan(
        0,
      );
      expect(value('dogged_dual_write_total', { workspace: 'default', result: 'failed' })).toBe(0);
      expect(value('dogged_dual_write_divergent_jobs', {})).toBe(0);
      link.close();
      await sqlite.close();
    });
  },
);
