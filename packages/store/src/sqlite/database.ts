/** Opens an SQLite file as Moho wants it: for its owner only, write-ahead logged, migrated. */

import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { MohoError } from "@moho/protocol";
import { migrate } from "./migrations.ts";

const BUSY_TIMEOUT_MS = 5_000;
const RETRY_MS = 20;
/** https://sqlite.org/rescode.html; the low byte of an extended code. */
const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;

/**
 * - `normal`: a commit survives the death of the process.
 * - `full`: also that of the machine; each commit waits for the disk.
 */
export type Synchronous = "normal" | "full";

/**
 * `path` is absolute. Throws `invalid_config` for a file that is no database of this or an older Moho, `unavailable`
 * when other processes keep it busy.
 */
export async function openDatabase(
  path: string,
  synchronous: Synchronous,
  now: number,
): Promise<DatabaseSync> {
  for (let waited = 0; ; waited += RETRY_MS) {
    try {
      return prepare(path, synchronous, now);
    } catch (cause) {
      if (cause instanceof MohoError) throw cause;
      const busy = [SQLITE_BUSY, SQLITE_LOCKED].includes((cause as { errcode?: number }).errcode! & 0xff);
      if (!busy || waited >= BUSY_TIMEOUT_MS) throw cannotOpen(path, cause, busy);
    }
    // Where several processes make one database, SQLite refuses some of them without waiting.
    await sleep(RETRY_MS);
  }
}

function prepare(path: string, synchronous: Synchronous, now: number): DatabaseSync {
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
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function cannotOpen(path: string, cause: unknown, busy: boolean): MohoError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const code = busy ? "unavailable" : "invalid_config";
  return new MohoError(code, `${path} cannot be opened as an SQLite database: ${why}.`, { cause });
}
