import { afterAll, beforeAll, beforeEach, describe, onTestFinished } from 'vitest';
import { type Clock, systemClock } from '../../src/platform/clock.js';
import { openBeside, openForWorker } from '../../src/store/bullmq/open.js';
import { openSqliteStore } from '../../src/store/sqlite/open.js';
import { hasRedis, NO_REDIS, type RedisServer, startRedis } from '../support/redis-server.js';
import { tempFolder } from '../support/temp-folder.js';
import { conformsInAccounts } from './accounts.js';
import { conformsInAdmission } from './admission.js';
import { conformsInBreakers } from './breakers.js';
import { conformsInClaims } from './claims.js';
import { conformsWithClocksThatAreSet } from './clock.js';
import type { Engine } from './engine.js';
import { T0 } from './given.js';
import { conformsInPlans } from './plans.js';
import { conformsInUpkeep } from './upkeep.js';

let redis: RedisServer;

/** The stories of the suite begin at a time of their own; waiting is in real time. */
const clock: Clock = { ...systemClock, wallMs: () => T0 };

const bullmq: Engine = {
  name: 'BullMQ',
  capabilities: { globalOrder: false, atomicBatchClaim: false },
  async fresh() {
    const folder = tempFolder();
    return {
      async open(use) {
        const sqlite = await openSqliteStore(folder, use, clock);
        const store =
          use === 'worker'
            ? await openForWorker(
                sqlite,
                {
                  url: redis.url,
                  site: 'here',
                  sharedSources: [],
                  leaseMs: 30_000,
                  poisonAfter: 3,
                  reconcileMs: 300_000,
                  fleetConcurrency: [],
                },
                {
                  onRemoteError: (error) => {
                    throw error;
                  },
                },
                clock,
              )
            : await openBeside(sqlite, use, clock);
        onTestFinished(() => store.close());
        return store;
      },
    };
  },
};

describe.skipIf(!hasRedis())(
  `the BullMQ engine conforms${hasRedis() ? '' : ` (skipped: ${NO_REDIS})`}`,
  () => {
    beforeAll(async () => {
      redis = await startRedis(['--appendonly', 'yes', '--appendfsync', 'everysec']);
    });
    beforeEach(async () => {
      await redis.client.flushall();
    });
    afterAll(() => redis.stop());

    describe('in admission', () => conformsInAdmission(bullmq));
    describe('in accounts', () => conformsInAccounts(bullmq));
    describe('in plans', () => conformsInPlans(bullmq));
    describe('in claims and ends', () => conformsInClaims(bullmq));
    describe('in breakers and outages', () => conformsInBreakers(bullmq));
    describe('with clocks that are set', () => conformsWithClocksThatAreSet(bullmq));
    describe('in upkeep and reads', () => conformsInUpkeep(bullmq));
  },
);
