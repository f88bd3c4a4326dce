/**
 * The next request of a thread. Whatever is the same for all (prompt, tools, settings) comes first and keeps its
 * bytes, and the items come last, so that each request repeats the one before it from the start. Pure.
 */

import type { ModelInfo } from "@moho/model";
import type { Item, ResponsesRequest, ToolSpec } from "@moho/protocol";
import { toolSpecs } from "../tools/registry.ts";
import { BASE_PROMPT } from "./prompt.ts";
import { tokensOfItems, tokensOfText } from "./tokens.ts";

export interface RequestSettings {
  /** Instead of the model's own default. */
  effort?: string;
  reasoningSummary?: string;
  verbosity?: string;
  serviceTier?: string;
  /** A JSON Schema that the last message must follow. */
  outputSchema?: Record<string, unknown>;
}

export function buildRequest(
  info: ModelInfo,
  thread: { id: string; items: readonly Item[] },
  settings: RequestSettings,
  maxOutput: number | undefined,
): ResponsesRequest {
  const reasoning = reasoningOf(info, settings);
  const text = textOptions(info, settings);
  return {
    model: info.id,
    instructions: BASE_PROMPT,
    tools: toolSpecs(info) as ToolSpec[],
    tool_choice: "auto",
    parallel_tool_calls: info.parallelTools,
    ...(reasoning && { reasoning }),
    ...(text && { text }),
    ...(settings.serviceTier && { service_tier: settings.serviceTier }),
    include: ["reasoning.encrypted_content"],
    store: false,
    stream: true,
    prompt_cache_key: thread.id,
    ...(maxOutput !== undefined && { max_output_tokens: maxOutput }),
    // A copy: the thread grows while the answer comes, and a client may send the request again.
    input: [...thread.items],
  };
}

/** Tokens that the next request's input will take: counted as far as an answer counted them, estimated beyond. */
export function estimateInput(
  info: ModelInfo,
  items: readonly Item[],
  measured: { tokens: number; items: number },
): number {
  const fixed = measured.items > 0 ? 0 : tokensOfText(BASE_PROMPT + JSON.stringify(toolSpecs(info)));
  return measured.tokens + fixed + tokensOfItems(items.slice(measured.items));
}

function reasoningOf(info: ModelInfo, settings: RequestSettings): ResponsesRequest["reasoning"] {
  const effort = settings.effort ?? info.defaultEffort;
  if (effort === undefined && settings.reasoningSummary === undefined) return undefined;
  return {
    ...(effort !== undefined && { effort }),
    ...(settings.reasoningSummary !== undefined && { summary: settings.reasoningSummary }),
  };
}

function textOptions(info: ModelInfo, { verbosity, outputSchema }: RequestSettings) {
  const format = outputSchema && {
    type: "json_schema",
    name: "moho_output_schema",
    strict: true,
    schema: outputSchema,
  };
  if (!info.verbosity && !format) return undefined;
  return { ...(info.verbosity && { verbosity: verbosity ?? "low" }), ...(format && { format }) };
}
