import { Accounts } from './account.js';
import { Admission } from './admit.js';
import { Breakers } from './breakers.js';
import { Dispatch } from './claim.js';
import type { Core } from './core.js';
import { Cycles } from './cycles.js';
import { Damaged } from './damaged.js';
import { Ending } from './end.js';
import { Listing } from './list.js';
import { Owners } from './owner.js';
import { People } from './people.js';
import { Pruning } from './prune.js';
import { Reading } from './read.js';
import { CycleReading } from './read-cycle.js';

/** Statements cost time to prepare, and a short command needs few of them. */
export class Verbs {
  readonly #core: Core;
  #admission: Admission | undefined;
  #ending: Ending | undefined;
  #breakers: Breakers | undefined;
  #dispatch: Dispatch | undefined;
  #owners: Owners | undefined;
  #people: People | undefined;
  #pruning: Pruning | undefined;
  #reading: Reading | undefined;
  #listing: Listing | undefined;
  #accounts: Accounts | undefined;
  #damaged: Damaged | undefined;
  #cycles: Cycles | undefined;
  #cycleReading: CycleReading | undefined;

  constructor(core: Core) {
    this.#core = core;
  }

  get admission(): Admission {
    this.#admission ??= new Admission(this.#core, this.cycles);
    return this.#admission;
  }
  get ending(): Ending {
    this.#ending ??= new Ending(this.#core);
    return this.#ending;
  }
  get dispatch(): Dispatch {
    this.#dispatch ??= new Dispatch(this.#core, this.ending, this.breakers);
    return this.#dispatch;
  }
  get breakers(): Breakers {
    this.#breakers ??= new Breakers(this.#core);
    return this.#breakers;
  }
  get owners(): Owners {
    this.#owners ??= new Owners(this.#core);
    return this.#owners;
  }
  get people(): People {
    this.#people ??= new People(this.#core);
    return this.#people;
  }
  get pruning(): Pruning {
    this.#pruning ??= new Pruning(this.#core);
    return this.#pruning;
  }
  get reading(): Reading {
    this.#reading ??= new Reading(this.#core.db);
    return this.#reading;
  }
  get listing(): Listing {
    this.#listing ??= new Listing(this.#core.db);
    return this.#listing;
  }
  get accounts(): Accounts {
    this.#accounts ??= new Accounts(this.#core.db);
    return this.#accounts;
  }
  get cycles(): Cycles {
    this.#cycles ??= new Cycles(this.#core);
    return this.#cycles;
  }
  get cycleReading(): CycleReading {
    this.#cycleReading ??= new CycleReading(this.#core.db);
    return this.#cycleReading;
  }
  get damaged(): Damaged {
    this.#damaged ??= new Damaged(this.#core);
    return this.#damaged;
  }
}
