/** Responses usage, where cached, cache-write and reasoning tokens are parts of the totals, to disjoint buckets and back. */

import { inputTokens, outputTokens, totalTokens, type Usage } from "@moho/protocol";
import { record } from "../../framing/json.ts";

/** `usage` of a Responses object. */
export interface ResponsesUsage {
  input_tokens: number;
  input_tokens_details: { cached_tokens: number; cache_write_tokens: number };
  output_tokens: number;
  output_tokens_details: { reasoning_tokens: number };
  total_tokens: number;
}

export interface UsageReading {
  usage: Usage;
  /** What in the report cannot be true; absent when it adds up. The buckets sum up to input + output in any case. */
  contradiction?: string;
}

/**
 * Reads a raw usage object. Parts larger than their total are cut to it, cache reads first, so that no token is counted
 * twice and none gets lost. `undefined` when the object has neither input nor output tokens.
 */
export function readResponsesUsage(raw: unknown): UsageReading | undefined {
  const report = record(raw);
  const input = tokens(report["input_tokens"]);
  const output = tokens(report["output_tokens"]);
  if (input === undefined && output === undefined) return undefined;
  const inputParts = record(report["input_tokens_details"]);
  const outputParts = record(report["output_tokens_details"]);
  const cached = tokens(inputParts["cached_tokens"]) ?? 0;
  const written = tokens(inputParts["cache_write_tokens"]) ?? 0;
  const reasoned = tokens(outputParts["reasoning_tokens"]) ?? 0;
  const total = tokens(report["total_tokens"]);

  const inputTotal = input ?? 0;
  const outputTotal = output ?? 0;
  const cacheRead = Math.min(cached, inputTotal);
  const cacheWrite = Math.min(written, inputTotal - cacheRead);
  const reasoning = Math.min(reasoned, outputTotal);
  const usage: Usage = {
    input: inputTotal - cacheRead - cacheWrite,
    cacheRead,
    cacheWrite,
    output: outputTotal - reasoning,
    reasoning,
  };
  const problems: string[] = [];
  if (cached + written > inputTotal) {
    problems.push(`cached ${cached} + written ${written} > input ${inputTotal}`);
  }
  if (reasoned > outputTotal) problems.push(`reasoning ${reasoned} > output ${outputTotal}`);
  if (total !== undefined && total !== inputTotal + outputTotal) {
    problems.push(`total ${total} ≠ input ${inputTotal} + output ${outputTotal}`);
  }
  return problems.length === 0 ? { usage } : { usage, contradiction: problems.join("; ") };
}

export function writeResponsesUsage(usage: Readonly<Usage>): ResponsesUsage {
  return {
    input_tokens: inputTokens(usage),
    input_tokens_details: { cached_tokens: usage.cacheRead, cache_write_tokens: usage.cacheWrite },
    output_tokens: outputTokens(usage),
    output_tokens_details: { reasoning_tokens: usage.reasoning },
    total_tokens: totalTokens(usage),
  };
}

/** A count of tokens: a whole number from zero. Anything else counts as not reported. */
function tokens(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
