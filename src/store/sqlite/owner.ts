import type { Statement } from 'better-sqlite3';
import { PLACES } from '../../job/job.js';
import type { Claim, Orphan, Owner, Ownership } from '../contract.js';
import type { Core } from './core.js';
import { payloadOf } from './payload.js';
import { recountIfWrong } from './recount.js';

interface OwnerRow {
  readonly storeId: string;
  readonly epoch: number;
  readonly bootId: string | null;
  readonly pid: number | null;
  readonly startTicks: number | null;
  readonly nonce: string | null;
  readonly cleanStop: number;
  readonly pulseAtMs: number | null;
  readonly trustedAtMs: number | null;
  readonly clockMovedMs: number;
}

interface OrphanRow extends Omit<Claim, 'id' | 'workspace' | 'task' | 'source' | 'payload'> {
  readonly id: number;
  readonly queueId: number;
  readonly scopeId: number;
  readonly payload: Buffer;
  readonly payloadHash: Buffer;
  readonly startedAtMs: number;
}

interface Taken {
  readonly ownership: Ownership;
  /** See `Retries`. */
  readonly clockMovedMs: number;
}

/** Who may write: each new owner raises the epoch, which fences every older one. */
export class Owners {
  readonly #core: Core;
  readonly #select: Statement<[], OwnerRow>;
  readonly #take: Statement<[string, number, number, string, number, number, number]>;
  readonly #release: Statement<[number, number]>;
  readonly #pulse: Statement<[number, number | null, number]>;
  readonly #orphans: Statement<[], OrphanRow>;

  constructor(core: Core) {
    const { db } = core;
    this.#core = core;
    this.#select = db.prepare(`
      SELECT store_id AS storeId, epoch, boot_id AS bootId, pid, start_ticks AS startTicks, nonce,
        clean_stop AS cleanStop, pulse_at AS pulseAtMs, trusted_at AS trustedAtMs, clock_moved AS clockMovedMs
      FROM meta`);
    this.#take = db.prepare(`
      UPDATE meta SET
        epoch = epoch + 1, boot_id = ?, pid = ?, start_ticks = ?, nonce = ?, clean_stop = 0, owned_at = ?,
        pulse_at = ?, clock_moved = ?`);
    this.#release = db.prepare('UPDATE meta SET clean_stop = 1, pulse_at = ? WHERE epoch = ?');
    this.#pulse = db.prepare(
      'UPDATE meta SET pulse_at = ?, trusted_at = coalesce(?, trusted_at) WHERE epoch = ?',
    );
    this.#orphans = db.prepare(`
      SELECT id, queue_id AS queueId, scope_id AS scopeId, key, cycle, epoch, attempt, charged, crashes,
        max_attempts AS maxAttempts, timeout_ms AS timeoutMs, priority, group_name AS "group",
        run_at AS runAtMs, expires_at AS expiresAtMs, late_by AS lateByMs, ${payloadOf('jobs')} AS payload, payload_hash AS payloadHash, started_at AS startedAtMs
      FROM jobs INDEXED BY jobs_running
      WHERE place = ${PLACES.running} AND epoch < (SELECT epoch FROM meta)`);
  }

  take(owner: Owner, nowMs: number): Taken {
    const before = this.#row();
    const { bootId, pid, startTicks, nonce } = owner;
    const clockMovedMs = before.clockMovedMs + setBackByMs(before, nowMs);
    this.#take.run(bootId, pid, startTicks, nonce, nowMs, nowMs, clockMovedMs);
    const cleanStop = before.cleanStop === 1;
    if (!cleanStop) recountIfWrong(this.#core);
    const { storeId, epoch, trustedAtMs } = before;
    const ownership = { storeId, epoch: epoch + 1, cleanStop, previousOwner: ownerOf(before), trustedAtMs };
    return { ownership, clockMovedMs };
  }

  release(epoch: number, nowMs: number): void {
    this.#release.run(nowMs, epoch);
  }

  /** Returns the epoch that holds the store now. */
  pulse(epoch: number, nowMs: number, isTrusted: boolean): number {
    const { changes } = this.#pulse.run(nowMs, isTrusted ? nowMs : null, epoch);
    return changes === 1 ? epoch : this.epoch();
  }

  epoch(): number {
    return this.#row().epoch;
  }

  orphans(): readonly Orphan[] {
    const { names } = this.#core;
    const rows = this.#orphans.all().sort((a, b) => a.id - b.id);
    return rows.map((row) => {
      const { id, queueId, scopeId, payload, payloadHash, startedAtMs, ...rest } = row;
      const { workspace, task } = names.queueById(queueId);
      const source = names.sourceOf(scopeId);
      const claim = {
        id: String(id),
        workspace,
        task,
        source,
        payload: { bytes: payload, hash: payloadHash },
        ...rest,
      };
      return { claim, startedAtMs };
    });
  }

  #row(): OwnerRow {
    const row = this.#select.get();
    if (row === undefined) throw new Error('the meta table is empty');
    return row;
  }
}

/** A clock that went on meanwhile tells nothing; one that stands before the last pulse was set back by that much, or more. */
function setBackByMs({ pulseAtMs }: OwnerRow, nowMs: number): number {
  return pulseAtMs === null ? 0 : Math.min(0, nowMs - pulseAtMs);
}

function ownerOf({ bootId, pid, startTicks, nonce }: OwnerRow): Owner | null {
  if (bootId === null || pid === null || startTicks === null || nonce === null) return null;
  return { bootId, pid, startTicks, nonce };
}
