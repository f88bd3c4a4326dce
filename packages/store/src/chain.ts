/** The hash chain that every log has: a record commits to everything before it. Pure. */

import { hash } from "node:crypto";
import { MohoError } from "@moho/protocol";
import type { LogRecord } from "./ports.ts";

/** A place in a chain: what the next record is linked to. */
export type Link = Pick<LogRecord, "seq" | "hash">;

/** What a stream's first record is linked to. */
export const GENESIS: Readonly<Link> = Object.freeze({ seq: 0, hash: "0".repeat(64) });

/** What walking a chain found. `records` and `hash` describe the part that holds. */
export type ChainReport =
  | { ok: true; records: number; hash: string }
  | { ok: false; records: number; hash: string; brokenAt: number; reason: string };

/** The record that follows `previous`. */
function nextRecord(previous: Link, at: string, body: string): LogRecord {
  const seq = previous.seq + 1;
  return { seq, at, body, hash: recordHash(previous.hash, seq, at, body) };
}

/** The records that follow `previous`, all appended at the same moment (epoch milliseconds). */
export function nextRecords(previous: Link, at: number, bodies: readonly string[]): LogRecord[] {
  const time = new Date(at).toISOString();
  let head = previous;
  return bodies.map((body) => {
    const record = nextRecord(head, time, body);
    head = record;
    return record;
  });
}

/** Why `record` cannot follow `previous`; `undefined` when it does. */
export function chainBreak(previous: Link, record: LogRecord): string | undefined {
  if (record.seq !== previous.seq + 1) return `it has the number ${record.seq}`;
  if (record.hash !== recordHash(previous.hash, record.seq, record.at, record.body)) {
    return "its hash does not fit its content and its predecessor";
  }
  return undefined;
}

/**
 * Walks records from outside (an export, for example) that follow `previous`. A chain alone cannot tell that its
 * end was cut off: compare `records` and `hash` with what was sealed elsewhere.
 */
export async function verifyChain(
  records: Iterable<LogRecord> | AsyncIterable<LogRecord>,
  previous: Link = GENESIS,
): Promise<ChainReport> {
  let head = previous;
  let count = 0;
  for await (const record of records) {
    const reason = chainBreak(head, record);
    if (reason !== undefined)
      return { ok: false, records: count, hash: head.hash, brokenAt: head.seq + 1, reason };
    head = record;
    count++;
  }
  return { ok: true, records: count, hash: head.hash };
}

/** The error of every log for a chain that does not hold. */
export function corrupt(stream: string, seq: number, reason: string): MohoError {
  return new MohoError("log_corrupt", `Record ${seq} of "${stream}" is damaged: ${reason}.`, {
    details: { stream, seq, reason },
  });
}

/** Neither hash, number nor time can hold a line break, so no two records have the same text. */
function recordHash(previous: string, seq: number, at: string, body: string): string {
  return hash("sha256", `${previous}\n${seq}\n${at}\n${body}`, "hex");
}
