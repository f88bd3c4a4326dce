/** Makes a store from its address. */

import { resolve } from "node:path";
import { MohoError } from "@moho/protocol";
import { openMemoryDocuments } from "./documents/memory.ts";
import { openMemoryLedger } from "./ledger/memory.ts";
import { openMemoryLog } from "./log/memory.ts";
import type { Store } from "./ports.ts";
import type { Synchronous } from "./sqlite/database.ts";

export interface StoreOptions {
  /** Epoch milliseconds. */
  now?: () => number;
  /** What a commit in SQLite survives: `normal` (default) the death of the process, `full` also that of the machine. */
  synchronous?: Synchronous;
}

/**
 * Opens `memory:` or `sqlite:/path/to/file`. Throws `invalid_config` for another address, for a file that is no
 * database of Moho, and for one that a newer Moho has changed.
 */
export async function openStore(url: string, options: StoreOptions = {}): Promise<Store> {
  const [scheme, rest = ""] = split(url);
  if (scheme === "memory" && rest === "") return openMemoryStore(options);
  if (scheme === "sqlite" && rest !== "" && !rest.includes("\0")) {
    return await openSqliteStore(resolve(rest.replace(/^\/\/(?=\/)/, "")), options);
  }
  // The address itself is not shown: it may hold a password.
  throw new MohoError(
    "invalid_config",
    `"${scheme.slice(0, 20)}:" is no address of a store: use "memory:" or "sqlite:/path/to/file".`,
  );
}

function openMemoryStore({ now = Date.now }: StoreOptions): Store {
  const log = openMemoryLog({ now });
  return { log, ledger: openMemoryLedger(), documents: openMemoryDocuments(), close: () => log.close() };
}

/** SQLite is loaded here and not before: most commands need none. */
async function openSqliteStore(path: string, options: StoreOptions): Promise<Store> {
  const { now = Date.now, synchronous = "normal" } = options;
  const [
    { openDatabase },
    { GroupCommit },
    { openSqliteLog },
    { openSqliteLedger },
    { openSqliteDocuments },
  ] = await Promise.all([
    import("./sqlite/database.ts"),
    import("./sqlite/group-commit.ts"),
    import("./log/sqlite.ts"),
    import("./ledger/sqlite.ts"),
    import("./documents/sqlite.ts"),
  ]);
  const database = await openDatabase(path, synchronous, now());
  const commit = new GroupCommit(database);
  return {
    log: openSqliteLog(database, commit, now),
    ledger: openSqliteLedger(database, commit),
    documents: openSqliteDocuments(database, commit),
    close: async () => commit.close(),
  };
}

function split(url: string): [scheme: string, rest: string | undefined] {
  const colon = url.indexOf(":");
  return colon === -1 ? ["", undefined] : [url.slice(0, colon), url.slice(colon + 1)];
}
