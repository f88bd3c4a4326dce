/** Messages usage, where cached tokens stand beside `input_tokens` and not in it, to disjoint buckets and back. */

import { outputTokens, type Usage } from "@moho/protocol";
import { record } from "../../framing/json.ts";
import type { UsageReading } from "../responses/usage.ts";

/** `usage` of a Message. */
export interface MessagesUsage {
  input_tokens: number;
  cache_creation_input_tokens: number;
  cache_read_input_tokens: number;
  output_tokens: number;
  output_tokens_details: { thinking_tokens: number };
}

/** Reads a raw usage object; `undefined` when it has neither input nor output tokens. */
export function readMessagesUsage(raw: unknown): UsageReading | undefined {
  const report = record(raw);
  const input = tokens(report["input_tokens"]);
  const output = tokens(report["output_tokens"]);
  if (input === undefined && output === undefined) return undefined;
  const thought = tokens(record(report["output_tokens_details"])["thinking_tokens"]) ?? 0;
  const outputTotal = output ?? 0;
  const reasoning = Math.min(thought, outputTotal);
  const usage: Usage = {
    input: input ?? 0,
    cacheRead: tokens(report["cache_read_input_tokens"]) ?? 0,
    cacheWrite: tokens(report["cache_creation_input_tokens"]) ?? 0,
    output: outputTotal - reasoning,
    reasoning,
  };
  if (thought <= outputTotal) return { usage };
  return { usage, contradiction: `thinking ${thought} > output ${outputTotal}` };
}

export function writeMessagesUsage(usage: Readonly<Usage>): MessagesUsage {
  return {
    input_tokens: usage.input,
    cache_creation_input_tokens: usage.cacheWrite,
    cache_read_input_tokens: usage.cacheRead,
    output_tokens: outputTokens(usage),
    output_tokens_details: { thinking_tokens: usage.reasoning },
  };
}

/** A count of tokens: a whole number from zero. Anything else counts as not reported. */
function tokens(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
