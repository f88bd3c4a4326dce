/** Converse usage, where cached tokens stand beside `inputTokens` and not in it, to disjoint buckets and back (aws-wire §4.3). */

import { inputTokens, outputTokens, totalTokens, type Usage } from "@moho/protocol";
import { record } from "../../framing/json.ts";
import type { UsageReading } from "../responses/usage.ts";

/** `usage` of a Converse answer. */
export interface ConverseUsage {
  inputTokens: number;
  outputTokens: number;
  totalTokens: number;
  cacheReadInputTokens: number;
  cacheWriteInputTokens: number;
}

/** Reads a raw usage object; `undefined` when it has neither input nor output tokens. Reasoning counts as output there. */
export function readConverseUsage(raw: unknown): UsageReading | undefined {
  const report = record(raw);
  const input = tokens(report["inputTokens"]);
  const output = tokens(report["outputTokens"]);
  if (input === undefined && output === undefined) return undefined;
  const usage: Usage = {
    input: input ?? 0,
    cacheRead: tokens(report["cacheReadInputTokens"]) ?? 0,
    cacheWrite: tokens(report["cacheWriteInputTokens"]) ?? 0,
    output: output ?? 0,
    reasoning: 0,
  };
  const total = tokens(report["totalTokens"]);
  const all = totalTokens(usage);
  const uncached = usage.input + usage.output;
  // Whether the total has the cached tokens in it differs by model.
  if (total === undefined || total === all || total === uncached) return { usage };
  const contradiction = `total ${total} ≠ input ${inputTokens(usage)} + output ${usage.output}`;
  return { usage, contradiction };
}

export function writeConverseUsage(usage: Readonly<Usage>): ConverseUsage {
  return {
    inputTokens: usage.input,
    outputTokens: outputTokens(usage),
    totalTokens: totalTokens(usage),
    cacheReadInputTokens: usage.cacheRead,
    cacheWriteInputTokens: usage.cacheWrite,
  };
}

/** A count of tokens: a whole number from zero. Anything else counts as not reported. */
function tokens(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
