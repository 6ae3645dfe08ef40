import type { Statement } from 'better-sqlite3';
import { BrokenHandOff } from '../../trace/broken-hand-off.js';
import { type BatchTrace, type CycleTrace, traceBatch } from '../../trace/cycle-trace.js';
import type { AdmissionAnswer, AdmissionBatch, GoneRecord } from '../intake-contract.js';
import { refusalOf } from '../verdict.js';
import type { Core } from './core.js';
import type { JobPut } from './job-door.js';

/** Of all sources together. */
const KEPT_CYCLES = 10_000;
/** Of one source: what breaks with every poll must not push out what was well. */
const KEPT_BROKEN = 100;
/** Stretches of ids that one cycle remembers: jobs of new records are one, and each changed one may be one of its own. */
const MOST_STRETCHES = 1_000;

/** Rows: they fit into the memory that SQLite works in. */
const FOLLOW_EVERY = 128;

/** First and last id of jobs that were put one after the other. */
export type Stretch = readonly [first: number, last: number];

/**
 * The account of each cycle, written in the transaction of the jobs that it tells of: so it is true whenever the program is
 * killed. Asks the database itself what it has stored, and lets nothing be committed that is not what was normalised.
 */
export class Cycles {
  readonly #core: Core;
  readonly #insert: Statement<[string, number, number, number, string, string]>;
  readonly #prune: Statement<[number]>;
  readonly #pruneBroken: Statement<[number, number]>;
  readonly #update: Statement<[number, string, string, string]>;
  readonly #stretches: Statement<[string], string>;
  readonly #keyed: Statement<[number, number], [Buffer | null, number]>;
  readonly #unkeyed: Statement<[number, number], [Buffer | null, number]>;

  #followed = 0;
  #stored: Buffer[] = [];
  #storedCount = 0;

  constructor(core: Core) {
    const { db } = core;
    this.#core = core;
    this.#insert = db.prepare(`
      INSERT INTO cycles (cycle, scope_id, at, broken, jobs, body) VALUES (?, ?, ?, ?, ?, ?)`);
    this.#prune = db.prepare('DELETE FROM cycles WHERE number <= ?');
    this.#pruneBroken = db.prepare(`
      DELETE FROM cycles WHERE number IN (
        SELECT number FROM cycles INDEXED BY cycles_broken
        WHERE broken = 1 AND scope_id = ?
        ORDER BY number DESC
        LIMIT -1 OFFSET ?
      )`);
    this.#update = db.prepare('UPDATE cycles SET broken = ?, jobs = ?, body = ? WHERE cycle = ?');
    this.#stretches = db.prepare<[string], string>('SELECT jobs FROM cycles WHERE cycle = ?').pluck();
    // One crossing for all of them: a row each would cost as much as the insert.
    const stored = (key: string) =>
      db
        .prepare<[number, number], [Buffer | null, number]>(`
          SELECT CAST(group_concat(${key}version_hash || payload_hash, '') AS BLOB), count(*)
          FROM jobs WHERE id BETWEEN ? AND ?`)
        .raw();
    this.#keyed = stored('key || ');
    this.#unkeyed = stored('');
  }

  /** Runs inside the admission's transaction. Throws BrokenHandOff, which must roll it back. */
  keep(
    scopeId: number,
    batch: AdmissionBatch,
    answers: readonly AdmissionAnswer[],
    puts: readonly JobPut[],
    gone: readonly GoneRecord[] = [],
  ): CycleTrace | null {
    const { trace } = batch;
    if (trace === undefined || (isEmpty(batch, trace) && gone.length === 0)) return null;
    const stretches = stretchesOf(puts.filter(({ isReplaced }) => !isReplaced));
    const told = traceBatch(trace, {
      records: batch.records,
      rejects: batch.rejects,
      refusals: answers.map(({ result }) => refusalOf(result)),
      puts,
      enqueued: this.#enqueued(puts),
      gone,
      nowMs: batch.nowMs,
    });
    if (told.broken !== null) throw new BrokenHandOff(batch.cycle, told);
    this.#write(scopeId, batch, told, stretches);
    return told;
  }

  /** In a transaction of its own: that a hand-off was broken must not be forgotten with what was rolled back. */
  keepBroken(batch: AdmissionBatch, trace: CycleTrace): void {
    const scopeId = this.#core.names.scope(batch.scope);
    this.#write(scopeId, batch, trace, []);
    this.#pruneBroken.run(scopeId, KEPT_BROKEN);
  }

  #write(scopeId: number, batch: AdmissionBatch, trace: CycleTrace, stretches: readonly Stretch[]): void {
    const { cycle, nowMs } = batch;
    const broken = trace.broken === null ? 0 : 1;
    const body = JSON.stringify(trace);
    if (!batch.trace?.soFar) {
      const jobs = JSON.stringify(stretches.slice(0, MOST_STRETCHES));
      const { lastInsertRowid } = this.#insert.run(cycle, scopeId, nowMs, broken, jobs, body);
      this.#prune.run(Number(lastInsertRowid) - KEPT_CYCLES);
      return;
    }
    const former = JSON.parse(this.#stretches.get(cycle) ?? '[]') as Stretch[];
    const jobs = JSON.stringify(joinStretches(former, stretches).slice(0, MOST_STRETCHES));
    this.#update.run(broken, jobs, body, cycle);
  }

  /** After each record: what was written just now is still at hand, and costs a third of what it costs at the end. */
  follow({ trace }: AdmissionBatch, puts: readonly JobPut[]): void {
    if (trace !== undefined && puts.length - this.#followed >= FOLLOW_EVERY) this.#readBack(puts);
  }

  /** Begins a transaction. */
  begin(): void {
    this.#followed = 0;
    this.#stored = [];
    this.#storedCount = 0;
  }

  /** What the database says of those that were written since it was last asked. */
  #readBack(puts: readonly JobPut[]): void {
    const read = puts[0]?.record.occurrenceIn === null ? this.#keyed : this.#unkeyed;
    const kept = puts.slice(this.#followed).filter(({ isReplaced }) => !isReplaced);
    for (const [first, last] of stretchesOf(kept)) {
      const [stream, count] = read.get(first, last) ?? [null, 0];
      if (stream !== null) this.#stored.push(stream);
      this.#storedCount += count;
    }
    this.#followed = puts.length;
  }

  #enqueued(puts: readonly JobPut[]): { stream: Buffer; count: number } {
    // What was read before it was replaced is not what is stored now.
    if (puts.some(({ isReplaced }) => isReplaced)) this.begin();
    this.#readBack(puts);
    return { stream: Buffer.concat(this.#stored), count: this.#storedCount };
  }
}

/** Cursors alone move without a cycle. */
function isEmpty({ records, rejects }: AdmissionBatch, { outrun }: BatchTrace): boolean {
  return records.length + rejects.length + outrun.length === 0;
}

/** In the order in which they were put. */
function stretchesOf(puts: readonly JobPut[]): Stretch[] {
  const stretches: [number, number][] = [];
  let open: [number, number] | undefined;
  for (const { id } of puts) {
    if (open !== undefined && id === open[1] + 1) open[1] = id;
    else {
      open = [id, id];
      stretches.push(open);
    }
  }
  return stretches;
}

function joinStretches(former: readonly Stretch[], more: readonly Stretch[]): readonly Stretch[] {
  const [end, begin] = [former.at(-1), more[0]];
  if (end === undefined || begin === undefined || end[1] + 1 !== begin[0]) return [...former, ...more];
  return [...former.slice(0, -1), [end[0], begin[1]], ...more.slice(1)];
}
