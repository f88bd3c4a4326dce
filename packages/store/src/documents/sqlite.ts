/** Documents in an SQLite database. */

import type { DatabaseSync } from "node:sqlite";
import { checkRange } from "../checks.ts";
import type { Documents } from "../ports.ts";
import type { GroupCommit } from "../sqlite/group-commit.ts";
import { checkDocument, checkVersion, documentText } from "./checks.ts";

interface Row {
  id: string;
  version: number;
  /** Without one, the document is deleted. */
  value: string | null;
}

export function openSqliteDocuments(database: DatabaseSync, commit: GroupCommit): Documents {
  const find = database.prepare("SELECT id, version, value FROM document WHERE kind = ? AND id = ?");
  const put = database.prepare(
    `INSERT INTO document (kind, id, version, value) VALUES (?, ?, ?, ?)
       ON CONFLICT (kind, id) DO UPDATE SET version = excluded.version, value = excluded.value`,
  );
  const remove = database.prepare(
    "UPDATE document SET version = version + 1, value = NULL WHERE kind = ? AND id = ? AND value IS NOT NULL",
  );
  const list = database.prepare(
    `SELECT id, version, value FROM document
       WHERE kind = ?1 AND id > ?2 AND id >= ?3 AND id < ?3 || char(1114111) AND value IS NOT NULL
       ORDER BY id LIMIT ?4`,
  );
  const rowOf = (kind: string, id: string) => find.get(kind, id) as Row | undefined;

  return {
    async get<T>(kind: string, id: string) {
      checkDocument(kind, id);
      const row = commit.read(() => rowOf(kind, id));
      if (row === undefined || row.value === null) return undefined;
      return { value: JSON.parse(row.value) as T, version: row.version };
    },

    async put(kind, id, value, expected) {
      checkDocument(kind, id);
      const text = documentText(kind, id, value);
      return await commit.write(() => {
        const row = rowOf(kind, id);
        checkVersion(kind, id, row === undefined || row.value === null ? 0 : row.version, expected);
        const version = (row?.version ?? 0) + 1;
        put.run(kind, id, version, text);
        return version;
      });
    },

    async delete(kind, id) {
      checkDocument(kind, id);
      return await commit.write(() => remove.run(kind, id).changes === 1);
    },

    async list<T>(
      kind: string,
      {
        prefix = "",
        after = "",
        limit = Number.MAX_SAFE_INTEGER,
      }: { prefix?: string; after?: string; limit?: number } = {},
    ) {
      checkRange(0, limit);
      const rows = commit.read(() => list.all(kind, after, prefix, limit)) as unknown as Row[];
      return rows.map(({ id, version, value }) => ({ id, value: JSON.parse(value!) as T, version }));
    },
  };
}
