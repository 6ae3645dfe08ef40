import type { Database, Statement } from 'better-sqlite3';
import type { AdmissionBatch } from '../intake-contract.js';

/** The records that could not become jobs, one row for each refusal however often it is read. */
export class RejectBook {
  readonly #closePath: Statement<[number, string]>;
  readonly #insert: Statement<unknown[]>;
  readonly #count: Statement<[number, number]>;

  constructor(db: Database) {
    this.#closePath = db.prepare('DELETE FROM rejects WHERE scope_id = ? AND path = ?');
    this.#insert = db.prepare(`
      INSERT INTO rejects (scope_id, path, digest, line, offset, length, key, reason, detail, remedy, at)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT DO NOTHING`);
    this.#count = db.prepare('UPDATE scopes SET rejected = rejected + ? WHERE id = ?');
  }

  write(scopeId: number, batch: AdmissionBatch): void {
    let open = 0;
    for (const path of batch.rereadPaths) open -= this.#closePath.run(scopeId, path).changes;
    for (const reject of batch.rejects) {
      open += this.#insert.run(
        scopeId,
        reject.path,
        reject.digest,
        reject.line,
        reject.offset,
        reject.lengthBytes,
        reject.key,
        reject.reason,
        reject.detail,
        reject.remedy,
        batch.nowMs,
      ).changes;
    }
    if (open !== 0) this.#count.run(open, scopeId);
  }
}
