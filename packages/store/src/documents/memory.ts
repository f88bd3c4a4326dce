/** Documents that live as long as their process. */

import { checkRange } from "../checks.ts";
import type { Documents } from "../ports.ts";
import { checkDocument, checkVersion, documentText } from "./checks.ts";

/** A deleted document stays without text, so that no version comes twice. */
interface Entry {
  version: number;
  text: string | undefined;
}

export function openMemoryDocuments(): Documents {
  const kinds = new Map<string, Map<string, Entry>>();
  const find = (kind: string, id: string) => kinds.get(kind)?.get(id);

  return {
    async get<T>(kind: string, id: string) {
      checkDocument(kind, id);
      const entry = find(kind, id);
      if (entry?.text === undefined) return undefined;
      return { value: JSON.parse(entry.text) as T, version: entry.version };
    },

    async put(kind, id, value, expected) {
      checkDocument(kind, id);
      const text = documentText(kind, id, value);
      const entry = find(kind, id);
      checkVersion(kind, id, entry?.text === undefined ? 0 : entry.version, expected);
      const version = (entry?.version ?? 0) + 1;
      const documents = kinds.get(kind) ?? new Map<string, Entry>();
      kinds.set(kind, documents.set(id, { version, text }));
      return version;
    },

    async delete(kind, id) {
      checkDocument(kind, id);
      const entry = find(kind, id);
      if (entry?.text === undefined) return false;
      entry.version++;
      entry.text = undefined;
      return true;
    },

    async list<T>(
      kind: string,
      { prefix = "", after = "", limit }: { prefix?: string; after?: string; limit?: number } = {},
    ) {
      checkRange(0, limit);
      return [...(kinds.get(kind) ?? [])]
        .filter(([id, { text }]) => text !== undefined && id.startsWith(prefix) && byCodePoint(id, after) > 0)
        .sort(([a], [b]) => byCodePoint(a, b))
        .slice(0, limit)
        .map(([id, { version, text }]) => ({ id, value: JSON.parse(text!) as T, version }));
    },
  };
}

/** The order of SQL databases, which is not that of JavaScript beyond U+FFFF. */
function byCodePoint(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
