/** What a thread's log holds: one tagged JSON object a record. Kinds and fields unknown here are left alone. */

import type { ErrorCode, Item, NanoUsd, ToolOutputItem, Usage } from "@moho/protocol";
import { MohoError } from "@moho/protocol";

export const RECORDS_VERSION = 1;

export interface ThreadMeta {
  id: string;
  cwd: string;
  model: string;
  provider: string;
  /** RFC 3339, UTC. */
  created: string;
  version: number;
}

/** The parts of the message that tells a model where it is; each is sent again only when it changed. */
export type ContextKind = "home" | "project" | "environment";

/** What the last answer that said so counted: the first `items` items take `tokens` tokens. */
export interface Measured {
  tokens: number;
  items: number;
}

export interface TurnTotals {
  usage: Usage;
  /** Absent when the model's price is unknown. */
  cost?: NanoUsd;
  measured: Measured;
}

export type ThreadRecord =
  | ({ type: "thread" } & ThreadMeta)
  /** `context` names the parts of a context message, in order. */
  | { type: "item"; item: Item; context?: ContextKind[] }
  | { type: "turn"; phase: "started"; model: string }
  | ({ type: "turn"; phase: "completed" } & TurnTotals)
  | ({ type: "turn"; phase: "failed"; error: { code: ErrorCode; message: string } } & TurnTotals)
  /** Outputs made up for calls that never got one, and how many items were left out or moved. */
  | { type: "repair"; outputs: ToolOutputItem[]; dropped: number };

export function encodeRecord(record: ThreadRecord): string {
  return JSON.stringify(record);
}

/** The record in a log body. Throws `log_corrupt` naming the sequence number when it is no tagged object. */
export function decodeRecord(body: string, seq: number): ThreadRecord {
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value === "object" && value !== null && "type" in value) return value as ThreadRecord;
  } catch (cause) {
    throw new MohoError("log_corrupt", `Record ${seq} of the thread is not JSON.`, { cause });
  }
  throw new MohoError("log_corrupt", `Record ${seq} of the thread has no type.`);
}
