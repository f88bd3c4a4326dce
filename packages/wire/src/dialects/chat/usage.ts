/** Chat Completions usage, the Responses convention under other names, to disjoint buckets and back. */

import { inputTokens, outputTokens, totalTokens, type Usage } from "@moho/protocol";
import { record } from "../../framing/json.ts";
import { readResponsesUsage, type UsageReading } from "../responses/usage.ts";

/** `usage` of a `chat.completion` and of the last chunk. */
export interface ChatUsage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  prompt_tokens_details: { cached_tokens: number; cache_write_tokens: number };
  completion_tokens_details: { reasoning_tokens: number };
}

/** Reads a raw usage object; `undefined` when it has neither prompt nor completion tokens. */
export function readChatUsage(raw: unknown): UsageReading | undefined {
  const report = record(raw);
  return readResponsesUsage({
    input_tokens: report["prompt_tokens"],
    input_tokens_details: report["prompt_tokens_details"],
    output_tokens: report["completion_tokens"],
    output_tokens_details: report["completion_tokens_details"],
    total_tokens: report["total_tokens"],
  });
}

export function writeChatUsage(usage: Readonly<Usage>): ChatUsage {
  return {
    prompt_tokens: inputTokens(usage),
    completion_tokens: outputTokens(usage),
    total_tokens: totalTokens(usage),
    prompt_tokens_details: { cached_tokens: usage.cacheRead, cache_write_tokens: usage.cacheWrite },
    completion_tokens_details: { reasoning_tokens: usage.reasoning },
  };
}
