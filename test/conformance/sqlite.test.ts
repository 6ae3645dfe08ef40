import { describe, onTestFinished } from 'vitest';
import { systemClock } from '../../src/platform/clock.js';
import { openStore } from '../../src/store/open.js';
import { tempFolder } from '../support/temp-folder.js';
import { conformsInAccounts } from './accounts.js';
import { conformsInAdmission } from './admission.js';
import { conformsInBreakers } from './breakers.js';
import { conformsInClaims } from './claims.js';
import { conformsWithClocksThatAreSet } from './clock.js';
import type { Engine } from './engine.js';
import { conformsInPlans } from './plans.js';
import { conformsInTraces } from './traces.js';
import { conformsInUpkeep } from './upkeep.js';

const sqlite: Engine = {
  name: 'SQLite',
  capabilities: { globalOrder: true, atomicBatchClaim: true },
  async fresh() {
    const folder = tempFolder();
    return {
      async open(use) {
        const store = await openStore(folder, use, systemClock);
        onTestFinished(() => store.close());
        return store;
      },
    };
  },
};

describe('the SQLite engine conforms', () => {
  describe('in admission', () => conformsInAdmission(sqlite));
  describe('in accounts', () => conformsInAccounts(sqlite));
  describe('in plans', () => conformsInPlans(sqlite));
  describe('in claims and ends', () => conformsInClaims(sqlite));
  describe('in breakers and outages', () => conformsInBreakers(sqlite));
  describe('with clocks that are set', () => conformsWithClocksThatAreSet(sqlite));
  describe('in traces', () => conformsInTraces(sqlite));
  describe('in upkeep and reads', () => conformsInUpkeep(sqlite));
});
