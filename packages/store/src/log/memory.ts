/** A log that lives as long as its process. */

import { chainBreak, corrupt, GENESIS, nextRecords } from "../chain.ts";
import { checkRange, closed } from "../checks.ts";
import type { Log, LogRecord } from "../ports.ts";
import { checkAppend, checkStream } from "./checks.ts";

/** `now` is epoch milliseconds. */
export function openMemoryLog({ now = Date.now }: { now?: () => number } = {}): Log {
  /** In the order of the last append. */
  const streams = new Map<string, LogRecord[]>();
  let open = true;
  const ensureOpen = () => {
    if (!open) throw closed();
  };

  return {
    async append(stream, bodies) {
      ensureOpen();
      checkAppend(stream, bodies);
      if (bodies.length === 0) return [];
      const records = streams.get(stream) ?? [];
      const added = nextRecords(records.at(-1) ?? GENESIS, now(), bodies);
      records.push(...added.map((record) => Object.freeze(record)));
      streams.delete(stream);
      streams.set(stream, records);
      return added;
    },

    async *read(stream, { after = 0, limit } = {}) {
      ensureOpen();
      checkStream(stream);
      checkRange(after, limit);
      const records = streams.get(stream) ?? [];
      const end = limit === undefined ? undefined : after + limit;
      for (const record of records.slice(after, end)) {
        const reason = chainBreak(records[record.seq - 2] ?? GENESIS, record);
        if (reason !== undefined) throw corrupt(stream, record.seq, reason);
        yield record;
      }
    },

    async last(stream) {
      ensureOpen();
      checkStream(stream);
      return streams.get(stream)?.at(-1);
    },

    async streams(prefix = "", limit) {
      ensureOpen();
      checkRange(0, limit);
      return [...streams]
        .reverse()
        .filter(([stream]) => stream.startsWith(prefix))
        .slice(0, limit)
        .map(([stream, records]) => ({ stream, records: records.length, at: records.at(-1)!.at }));
    },

    async close() {
      open = false;
      streams.clear();
    },
  };
}
