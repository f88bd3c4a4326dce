/**
 * Group commit: writes that are asked for in the same round of the event loop share one transaction, and with it the
 * price of BEGIN and COMMIT. Measured against flushing in a microtask, `setImmediate` gathers the writes of all
 * requests that were read in one round, and costs a single caller a few microseconds.
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { MohoError } from "@moho/protocol";
import { closed } from "../checks.ts";

/** Bounds how long one transaction keeps the event loop. */
const MAX_BATCH = 256;

interface Operation {
  run: () => unknown;
  resolve: (value: never) => void;
  reject: (error: unknown) => void;
}

type Outcome = { value: unknown } | { error: unknown };

export class GroupCommit {
  readonly #database: DatabaseSync;
  readonly #statements: Record<"begin" | "commit" | "rollback" | "save" | "release" | "undo", StatementSync>;
  #queue: Operation[] = [];
  #scheduled = false;
  #open = true;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#statements = {
      begin: database.prepare("BEGIN IMMEDIATE"),
      commit: database.prepare("COMMIT"),
      rollback: database.prepare("ROLLBACK"),
      save: database.prepare("SAVEPOINT operation"),
      release: database.prepare("RELEASE operation"),
      undo: database.prepare("ROLLBACK TO operation"),
    };
  }

  /**
   * Runs `operation`, which is synchronous, in a transaction, after those asked for before. Resolves once that is
   * committed. One that throws leaves nothing behind and does not touch the others of its transaction.
   */
  write<T>(operation: () => T): Promise<T> {
    if (!this.#open) return Promise.reject(closed());
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ run: operation, resolve, reject });
      if (this.#scheduled) return;
      this.#scheduled = true;
      setImmediate(() => this.#flush());
    });
  }

  /** Reads what is committed; throws when the store is closed. */
  read<T>(query: () => T): T {
    if (!this.#open) throw closed();
    return query();
  }

  /** Commits what was asked for, then closes the database. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    while (this.#queue.length > 0) this.#flush();
    this.#database.close();
  }

  #flush(): void {
    this.#scheduled = false;
    const batch = this.#queue.splice(0, MAX_BATCH);
    if (batch.length === 0) return;
    if (this.#queue.length > 0) {
      this.#scheduled = true;
      setImmediate(() => this.#flush());
    }
    const outcomes = this.#transaction(batch);
    for (const [index, { resolve, reject }] of batch.entries()) {
      const outcome = outcomes[index]!;
      if ("error" in outcome) reject(outcome.error);
      else resolve(outcome.value as never);
    }
  }

  #transaction(batch: readonly Operation[]): Outcome[] {
    try {
      this.#statements.begin.run();
      const outcomes = batch.map((operation) => this.#attempt(operation));
      this.#statements.commit.run();
      return outcomes;
    } catch (cause) {
      succeeds(this.#statements.rollback); // unless SQLite did so itself
      const error = storeError(cause);
      return batch.map(() => ({ error }));
    }
  }

  #attempt(operation: Operation): Outcome {
    this.#statements.save.run();
    try {
      const value = operation.run();
      this.#statements.release.run();
      return { value };
    } catch (error) {
      // After some failures (a full disk) SQLite has undone the whole transaction: then nobody's write is left.
      if (!succeeds(this.#statements.undo)) throw error;
      this.#statements.release.run();
      return { error: storeError(error) };
    }
  }
}

function succeeds(statement: StatementSync): boolean {
  try {
    statement.run();
    return true;
  } catch {
    return false;
  }
}

/** SQLite's own errors mean that the store cannot write; they keep their cause. */
function storeError(cause: unknown): unknown {
  if ((cause as { code?: unknown } | undefined)?.code !== "ERR_SQLITE_ERROR") return cause;
  return new MohoError("unavailable", `The store could not write: ${(cause as Error).message}.`, { cause });
}
