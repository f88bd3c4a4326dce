/** Opens an SQLite file as Moho wants it: for its owner only, write-ahead logged, migrated. */

import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { MohoError } from "@moho/protocol";
import { migrate } from "./migrations.ts";

const BUSY_TIMEOUT_MS = 5_000;

/**
 * - `normal`: a commit survives the death of the process.
 * - `full`: also that of the machine; each commit waits for the disk.
 */
export type Synchronous = "normal" | "full";

/** `path` is absolute. Throws `invalid_config` for a file that is no database of this or an older Moho. */
export function openDatabase(path: string, synchronous: Synchronous, now: number): DatabaseSync {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  // SQLite makes its other files with the rights of this one.
  closeSync(openSync(path, "a", 0o600));
  const database = new DatabaseSync(path);
  try {
    database.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    database.exec(
      `PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous}; PRAGMA trusted_schema = OFF`,
    );
    migrate(database, path, now);
  } catch (cause) {
    database.close();
    if (cause instanceof MohoError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new MohoError("invalid_config", `${path} cannot be opened as an SQLite database: ${why}.`, {
      cause,
    });
  }
  return database;
}
