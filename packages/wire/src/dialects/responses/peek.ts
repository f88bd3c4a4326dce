/**
 * What a gateway must know of a Responses request before it may pass: read from the body's bytes without parsing them.
 * It decides authorisation and money, so a body that two parsers could read differently is refused.
 */

import { JsonMembers, type ReadKinds } from "../../framing/json-members.ts";
import type { JsonMember } from "../../framing/json-scan.ts";

export interface ResponsesPeek {
  model: string | undefined;
  stream: boolean;
  maxOutputTokens: number | undefined;
  store: boolean | undefined;
  background: boolean;
  previousResponseId: string | undefined;
  serviceTier: string | undefined;
  /** A stored conversation is named. */
  conversation: boolean;
  /** A stored prompt template is named: it brings input, and may bring a model, that the body does not show. */
  prompt: boolean;
  /** How much of what is not text `input` and `instructions` hold; `unknown` is something nobody here knows the size of. */
  input: { image: number; file: number; itemReference: number; unknown: boolean };
  /** Types of tools that the client does not run itself: the upstream runs them and reads what they bring. */
  hostedTools: readonly string[];
  /** Where each top-level value stands in the body. */
  members: ReadonlyMap<string, JsonMember>;
}

const READ: ReadKinds = {
  model: ["string"],
  stream: ["boolean"],
  max_output_tokens: ["number"],
  store: ["boolean"],
  background: ["boolean"],
  previous_response_id: ["string"],
  service_tier: ["string"],
  conversation: ["string", "object"],
  prompt: ["object"],
  input: ["string", "array"],
  instructions: ["string", "array"],
  tools: ["array"],
};

const IMAGES = ["input_image", "computer_screenshot"] as const;
const COUNTED = [...IMAGES, "input_file", "item_reference"] as const;
const WATCH = { input: COUNTED, instructions: COUNTED } as const;

/** The client runs these, and what they bring comes as input of its next request. */
const CLIENT_TOOLS = ["function", "custom", "namespace", "tool_search"] as const;

/** Items, content and tools that hold in their own bytes all that the model reads of them, or are counted apart. */
const SHOWN = [
  "message",
  "input_text",
  "output_text",
  "function_call",
  "function_call_output",
  "reasoning",
  "summary_text",
  "reasoning_text",
  "custom_tool_call",
  "custom_tool_call_output",
  "tool_search_call",
  "tool_search_output",
  "additional_tools",
  "local_shell_call",
  "local_shell_call_output",
  "shell_call",
  "shell_call_output",
  "apply_patch_call",
  "apply_patch_call_output",
  "web_search_call",
  "computer_call",
  "computer_call_output",
  "compaction",
  "compaction_summary",
  "refusal",
  "url_citation",
  "encrypted_content",
  ...COUNTED,
  ...CLIENT_TOOLS,
] as const;
const KNOWN = { tools: CLIENT_TOOLS, input: SHOWN, instructions: SHOWN } as const;

/**
 * Reads `body`. Throws `invalid_request` naming the byte where it stops being one JSON object with distinct keys, and
 * when a member that is read has the wrong kind or a key that another parser could take for it (escapes, case).
 */
export function peekResponses(body: Uint8Array): ResponsesPeek {
  const top = new JsonMembers(body, READ, WATCH, undefined, KNOWN);
  return {
    model: top.text("model"),
    stream: top.flag("stream") ?? false,
    maxOutputTokens: top.count("max_output_tokens"),
    store: top.flag("store"),
    background: top.flag("background") ?? false,
    previousResponseId: top.text("previous_response_id"),
    serviceTier: top.text("service_tier"),
    conversation: top.has("conversation"),
    prompt: top.has("prompt"),
    input: {
      image: top.typed(...IMAGES),
      file: top.typed("input_file"),
      itemReference: top.typed("item_reference"),
      unknown: top.strangers("input").length + top.strangers("instructions").length > 0,
    },
    hostedTools: top.strangers("tools"),
    members: top.members,
  };
}
