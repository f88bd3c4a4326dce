/** The tables, as an ordered list of steps. Steps only ever add; a released step is never edited. */

import type { DatabaseSync } from "node:sqlite";
import { MohoError } from "@moho/protocol";

/** "Moho" in ASCII: nobody else's database is taken for ours. */
const APPLICATION_ID = 0x4d6f686f;

/** A step's number is its place in this list, from 1. */
const STEPS: readonly { name: string; sql: string }[] = [
  {
    name: "log, ledger and documents",
    sql: `
      PRAGMA application_id = ${APPLICATION_ID};
      CREATE TABLE migration (step INTEGER PRIMARY KEY, name TEXT NOT NULL, at INTEGER NOT NULL) STRICT;

      CREATE TABLE log_stream (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
      CREATE TABLE log_record (
        id INTEGER PRIMARY KEY,              -- the order of appends over all streams
        stream INTEGER NOT NULL REFERENCES log_stream (id),
        seq INTEGER NOT NULL,
        at INTEGER NOT NULL,                 -- epoch milliseconds
        hash TEXT NOT NULL,
        body TEXT NOT NULL,
        UNIQUE (stream, seq)
      ) STRICT;

      CREATE TABLE budget (
        scope TEXT PRIMARY KEY,
        ceiling INTEGER NOT NULL CHECK (ceiling BETWEEN 0 AND 9007199254740991),
        period TEXT NOT NULL CHECK (period IN ('daily', 'weekly', 'monthly', 'total')),
        owner TEXT
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE spend (                   -- one scope on one UTC day, in nano-dollars and tokens
        scope TEXT NOT NULL,
        day INTEGER NOT NULL,                -- days since 1970-01-01
        reserved INTEGER NOT NULL DEFAULT 0 CHECK (reserved BETWEEN 0 AND 9007199254740991),
        settled INTEGER NOT NULL DEFAULT 0 CHECK (settled BETWEEN 0 AND 9007199254740991),
        overrun INTEGER NOT NULL DEFAULT 0 CHECK (overrun >= 0),
        calls INTEGER NOT NULL DEFAULT 0,
        input INTEGER NOT NULL DEFAULT 0,
        cache_read INTEGER NOT NULL DEFAULT 0,
        cache_write INTEGER NOT NULL DEFAULT 0,
        output INTEGER NOT NULL DEFAULT 0,
        reasoning INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (scope, day)
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE reservation (
        number INTEGER PRIMARY KEY,          -- the order of reservations
        id TEXT NOT NULL UNIQUE,
        scopes TEXT NOT NULL,                -- JSON array
        day INTEGER NOT NULL,
        asked INTEGER NOT NULL,
        least INTEGER,
        amount INTEGER NOT NULL,             -- what was granted
        lease_until INTEGER NOT NULL,        -- epoch milliseconds
        quality TEXT CHECK (quality IN ('expired', 'estimated', 'final')),
        settled INTEGER,
        usage TEXT                           -- JSON object
      ) STRICT;
      CREATE INDEX reservation_open ON reservation (lease_until) WHERE quality IS NULL;

      CREATE TABLE document (                -- a deleted one stays without value, so that no version comes twice
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        version INTEGER NOT NULL,
        value TEXT,
        PRIMARY KEY (kind, id)
      ) STRICT, WITHOUT ROWID;`,
  },
];

/**
 * Brings the database to the newest step, in one transaction. Throws `invalid_config` for a database that a newer
 * Moho has changed, or that is not Moho's.
 */
export function migrate(database: DatabaseSync, path: string, now: number): void {
  database.exec("BEGIN"); // one view of the database, while others may be migrating it
  const current = stepsDone(database, path) === STEPS.length;
  database.exec("COMMIT");
  if (current) return;
  database.exec("BEGIN IMMEDIATE"); // a failure leaves it open: the caller closes the database, which undoes it
  const done = stepsDone(database, path);
  for (const [index, { name, sql }] of STEPS.entries()) {
    if (index < done) continue;
    database.exec(sql);
    database.prepare("INSERT INTO migration (step, name, at) VALUES (?, ?, ?)").run(index + 1, name, now);
  }
  database.exec("COMMIT");
}

function stepsDone(database: DatabaseSync, path: string): number {
  const id = number(database, "PRAGMA application_id");
  if (id === 0 && number(database, "SELECT count(*) FROM sqlite_schema") === 0) return 0;
  if (id !== APPLICATION_ID) {
    throw new MohoError("invalid_config", `${path} is an SQLite database of another program.`);
  }
  const done = number(database, "SELECT max(step) FROM migration");
  if (done > STEPS.length) {
    throw new MohoError(
      "invalid_config",
      `${path} was changed by a newer Moho: it is at step ${done} and this version knows ${STEPS.length}.`,
      { next: "Start the version that changed it, or a newer one." },
    );
  }
  return done;
}

function number(database: DatabaseSync, sql: string): number {
  const [value] = Object.values(database.prepare(sql).get() ?? {});
  return Number(value);
}
