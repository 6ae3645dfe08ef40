import type { Database, Statement } from 'better-sqlite3';
import { DoggedError } from '../../job/errors.js';
import { isWorkspaceId } from '../../job/job.js';
import type { Scope } from '../intake-contract.js';

export interface Queue {
  readonly id: number;
  readonly workspace: string;
  readonly task: string;
  /** Most jobs of one group that may be ready or running; null for no limit, also for a task not configured. */
  readonly groupLimit: number | null;
  /** null for a task that is not configured. */
  readonly maxAttempts: number | null;
}

/** The numbers are stored in rows: never renumber them. */
export const KIND_CODES: Readonly<Record<Scope['kind'], number>> = { source: 0, task: 1 };

/** The small integers under which queues and scopes stand in other tables. Remembered, since they never change. */
export class Names {
  readonly #queues = new Map<number, Queue>();
  readonly #queuesByName = new Map<string, Queue>();
  /** Jobs come in runs of one task: for most of them even the look-up by name is spared. */
  #lastQueue: Queue | null = null;
  readonly #scopes = new Map<number, Scope>();
  readonly #scopesByName = new Map<string, number>();

  readonly #selectQueue: Statement<[string, string], Queue>;
  readonly #selectQueueById: Statement<[number], Queue>;
  readonly #insertQueue: Statement<[string, string]>;
  readonly #selectScope: Statement<[string, number, string], number>;
  readonly #selectScopeById: Statement<[number], { workspace: string; kind: number; name: string }>;
  readonly #insertScope: Statement<[string, number, string]>;

  constructor(db: Database) {
    const queue = `
      SELECT q.id, q.workspace, q.task, t.group_limit AS groupLimit, t.max_attempts AS maxAttempts
      FROM queues q
      LEFT JOIN tasks t ON t.task = q.task`;
    this.#selectQueue = db.prepare(`${queue} WHERE q.workspace = ? AND q.task = ?`);
    this.#selectQueueById = db.prepare(`${queue} WHERE q.id = ?`);
    this.#insertQueue = db.prepare('INSERT INTO queues (workspace, task) VALUES (?, ?)');
    this.#selectScope = db
      .prepare<[string, number, string], number>(
        'SELECT id FROM scopes WHERE workspace = ? AND kind = ? AND name = ?',
      )
      .pluck();
    this.#selectScopeById = db.prepare('SELECT workspace, kind, name FROM scopes WHERE id = ?');
    this.#insertScope = db.prepare('INSERT INTO scopes (workspace, kind, name) VALUES (?, ?, ?)');
  }

  /** After a rollback, and wherever another process may have changed the settings of tasks. */
  forget(): void {
    this.#queues.clear();
    this.#queuesByName.clear();
    this.#lastQueue = null;
    this.#scopes.clear();
    this.#scopesByName.clear();
  }

  /** The queue of a task in a workspace, made if there is none yet. */
  queue(workspace: string, task: string): Queue {
    const last = this.#lastQueue;
    if (last !== null && last.task === task && last.workspace === workspace) return last;
    const name = `${workspace}/${task}`;
    this.#lastQueue = this.#queuesByName.get(name) ?? this.#readQueue(name, workspace, task);
    return this.#lastQueue;
  }

  #readQueue(name: string, workspace: string, task: string): Queue {
    let queue = this.#selectQueue.get(workspace, task);
    if (queue === undefined) {
      refuseMalformed(workspace);
      this.#insertQueue.run(workspace, task);
      queue = this.#selectQueue.get(workspace, task);
    }
    if (queue === undefined) throw new Error(`queue ${name} was not stored`);
    this.#queuesByName.set(name, queue);
    this.#queues.set(queue.id, queue);
    return queue;
  }

  queueById(id: number): Queue {
    const known = this.#queues.get(id);
    if (known !== undefined) return known;
    const queue = this.#selectQueueById.get(id);
    if (queue === undefined) throw new Error(`there is no queue ${id}`);
    this.#queues.set(id, queue);
    return queue;
  }

  /** The id of a scope, or undefined when nothing was ever admitted to it. */
  findScope(scope: Scope): number | undefined {
    return this.#selectScope.get(scope.workspace, KIND_CODES[scope.kind], scope.name);
  }

  /** The id of a scope, made if there is none yet. */
  scope(scope: Scope): number {
    const name = `${scope.workspace}/${scope.kind}/${scope.name}`;
    const id = this.#scopesByName.get(name) ?? this.findScope(scope) ?? this.#addScope(scope);
    this.#scopesByName.set(name, id);
    return id;
  }

  #addScope({ workspace, kind, name }: Scope): number {
    refuseMalformed(workspace);
    return Number(this.#insertScope.run(workspace, KIND_CODES[kind], name).lastInsertRowid);
  }

  scopeById(id: number): Scope {
    const known = this.#scopes.get(id);
    if (known !== undefined) return known;
    const row = this.#selectScopeById.get(id);
    if (row === undefined) throw new Error(`there is no scope ${id}`);
    const scope: Scope = {
      workspace: row.workspace,
      kind: row.kind === KIND_CODES.source ? 'source' : 'task',
      name: row.name,
    };
    this.#scopes.set(id, scope);
    return scope;
  }

  /** The name of the source, or null for a job that was added by hand. */
  sourceOf(scopeId: number): string | null {
    const scope = this.scopeById(scopeId);
    return scope.kind === 'source' ? scope.name : null;
  }
}

/** The last door: whatever else forgot to ask, no malformed id is ever stored. */
function refuseMalformed(workspace: string): void {
  if (!isWorkspaceId(workspace)) throw new DoggedError('WORKSPACE_INVALID', { workspace });
}
