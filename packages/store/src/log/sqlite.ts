/** A log in an SQLite database. */

import type { DatabaseSync } from "node:sqlite";
import { chainBreak, corrupt, GENESIS, type Link, nextRecords } from "../chain.ts";
import { checkRange } from "../checks.ts";
import type { Log, LogRecord } from "../ports.ts";
import type { GroupCommit } from "../sqlite/group-commit.ts";
import { checkAppend, checkStream } from "./checks.ts";

/** Records that are in memory at once while a stream is read. */
const PAGE = 64;

interface Row extends Omit<LogRecord, "at"> {
  /** Epoch milliseconds. */
  at: number;
}

/** `now` is epoch milliseconds. Closing the log leaves the database open: that is its opener's. */
export function openSqliteLog(database: DatabaseSync, commit: GroupCommit, now: () => number): Log {
  const findStream = database.prepare("SELECT id FROM log_stream WHERE name = ?");
  const addStream = database.prepare("INSERT INTO log_stream (name) VALUES (?)");
  const findHead = database.prepare(
    "SELECT seq, at, hash, body FROM log_record WHERE stream = ? ORDER BY seq DESC LIMIT 1",
  );
  const addRecord = database.prepare(
    "INSERT INTO log_record (stream, seq, at, hash, body) VALUES (?, ?, ?, ?, ?)",
  );
  const page = database.prepare(
    "SELECT seq, at, hash, body FROM log_record WHERE stream = ? AND seq >= ? ORDER BY seq LIMIT ?",
  );
  const list = database.prepare(
    `SELECT s.name AS stream, r.seq AS records, r.at AS at FROM log_stream s JOIN log_record r
       ON r.id = (SELECT id FROM log_record WHERE stream = s.id ORDER BY seq DESC LIMIT 1)
     WHERE substr(s.name, 1, length(?1)) = ?1 ORDER BY r.id DESC LIMIT ?2`,
  );
  const idOf = (stream: string) => (findStream.get(stream) as { id: number } | undefined)?.id;

  return {
    async append(stream, bodies) {
      checkAppend(stream, bodies);
      if (bodies.length === 0) return [];
      return await commit.write(() => {
        const id = idOf(stream) ?? Number(addStream.run(stream).lastInsertRowid);
        const at = now();
        const records = nextRecords((findHead.get(id) as Row | undefined) ?? GENESIS, at, bodies);
        for (const { seq, hash, body } of records) addRecord.run(id, seq, at, hash, body);
        return records;
      });
    },

    async *read(stream, { after = 0, limit = Number.MAX_SAFE_INTEGER } = {}) {
      checkStream(stream);
      checkRange(after, limit);
      const id = commit.read(() => idOf(stream));
      if (id === undefined) return;
      // The record before the first is read too: it says what the first is linked to.
      let previous: Link | undefined = after === 0 ? GENESIS : undefined;
      for (let left = limit; left > 0; ) {
        const from: number = previous === undefined ? after : previous.seq + 1;
        const rows = commit.read(() => page.all(id, from, PAGE)) as unknown as Row[];
        for (const row of rows) {
          const record = recordOf(row);
          const reason = breakBefore(record, previous, after);
          if (reason !== undefined) throw corrupt(stream, previous ? previous.seq + 1 : after, reason);
          previous = record;
          if (record.seq <= after) continue;
          if (left-- <= 0) return;
          yield record;
        }
        if (rows.length < PAGE) return;
      }
    },

    async last(stream) {
      checkStream(stream);
      const id = commit.read(() => idOf(stream));
      const row = id === undefined ? undefined : (findHead.get(id) as Row | undefined);
      return row && recordOf(row);
    },

    async streams(prefix = "", limit = Number.MAX_SAFE_INTEGER) {
      checkRange(0, limit);
      const rows = commit.read(() => list.all(prefix, limit)) as {
        stream: string;
        records: number;
        at: number;
      }[];
      return rows.map(({ stream, records, at }) => ({ stream, records, at: new Date(at).toISOString() }));
    },

    async close() {},
  };
}

function recordOf({ seq, at, hash, body }: Row): LogRecord {
  return { seq, at: new Date(at).toISOString(), body, hash };
}

function breakBefore(record: LogRecord, previous: Link | undefined, after: number): string | undefined {
  if (previous !== undefined) return chainBreak(previous, record);
  return record.seq === after ? undefined : "it is missing";
}
