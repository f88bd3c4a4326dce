/** A hub request, made of another dialect's, as a Responses body. What came as Responses passes through untouched. */

import type { Item, ResponsesRequest } from "@moho/protocol";
import type { UpstreamBody } from "../body.ts";
import type { Raw } from "../fields.ts";
import type { Note } from "../notes.ts";
import { openSeal } from "../sealed.ts";
import { droppedSetting } from "../settings.ts";
import { ToolNames } from "../tools.ts";

/** What an upstream that speaks Responses takes. */
export interface ResponsesCapabilities {
  /** `temperature` and `top_p`: GPT-5.6 and later refuse them. */
  sampling: boolean;
  /** `prompt_cache_breakpoint` on content parts. */
  breakpoints: boolean;
  /** The least `max_output_tokens` that it takes (16 on Bedrock Mantle). */
  leastOutputTokens: number;
}

/** Settings of the hub that the Responses API does not have. */
const HUB_ONLY = ["stop", "top_k", "seed", "frequency_penalty", "presence_penalty", "logit_bias"];

export function hubToResponses(request: ResponsesRequest, capabilities: ResponsesCapabilities): UpstreamBody {
  const notes: Note[] = [];
  const without = new Set(capabilities.sampling ? HUB_ONLY : [...HUB_ONLY, "temperature", "top_p"]);
  const settings = Object.entries(request).filter(([name, value]) => {
    if (value === undefined || value === null) return false;
    if (without.has(name)) notes.push(droppedSetting(name, "the upstream has no such setting"));
    return !without.has(name) && name !== "input" && name !== "tools" && name !== "stream";
  });
  const body: Raw = {
    ...Object.fromEntries(settings),
    ...outputLimit(request, capabilities, notes),
    stream: true,
    ...(request.tools !== undefined && { tools: request.tools.map(withoutBreakpoint) }),
    input: typeof request.input === "string" ? request.input : writeItems(request.input, capabilities, notes),
  };
  return { body: JSON.stringify(body), notes, names: new ToolNames() };
}

function outputLimit(
  request: ResponsesRequest,
  { leastOutputTokens }: ResponsesCapabilities,
  notes: Note[],
): Raw {
  const limit = request.max_output_tokens;
  if (typeof limit !== "number" || limit >= leastOutputTokens) return {};
  const why = `the upstream takes no limit below ${leastOutputTokens}`;
  notes.push({ ...droppedSetting("max_output_tokens", why), what: "rewritten" });
  return { max_output_tokens: leastOutputTokens };
}

function writeItems(items: readonly Item[], { breakpoints }: ResponsesCapabilities, notes: Note[]): Raw[] {
  const written: Raw[] = [];
  for (const [index, item] of items.entries()) {
    if (item.type === "reasoning" && isForeign(item.encrypted_content)) {
      const why = "it is sealed for another family of models";
      notes.push({ leg: "upstream", kind: "reasoning", index, what: "dropped", why });
      continue;
    }
    const bare = withoutBreakpoint(item as Raw);
    const list = item.type === "message" ? "content" : "output";
    const parts = bare[list];
    const keeps = breakpoints && !(item.type === "message" && item.role === "assistant");
    written.push(keeps || !Array.isArray(parts) ? bare : { ...bare, [list]: parts.map(withoutBreakpoint) });
  }
  return written;
}

function isForeign(encrypted: unknown): boolean {
  return typeof encrypted === "string" && openSeal(encrypted).kind !== "foreign";
}

function withoutBreakpoint(value: Raw): Raw {
  if (!("prompt_cache_breakpoint" in value)) return value;
  const { prompt_cache_breakpoint: _, ...rest } = value;
  return rest;
}
