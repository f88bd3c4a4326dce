/** A hub request as a Chat Completions body for an upstream of that dialect. It is always asked to stream. */

import type { ResponsesRequest } from "@moho/protocol";
import { record } from "../../framing/json.ts";
import type { BodyValue, UpstreamBody } from "../body.ts";
import { defined, type Raw } from "../fields.ts";
import { unsupportedItem } from "../notes.ts";
import { droppedSetting, droppedSettings } from "../settings.ts";
import { type FlatChoice, type FlatTool, flattenTools } from "../tools.ts";
import { readTurns } from "../turns.ts";
import type { ChatCapabilities } from "./capabilities.ts";
import { writeChatMessages } from "./content-out.ts";

export type { BodyValue, UpstreamBody } from "../body.ts";
export type { ChatCapabilities } from "./capabilities.ts";

/** Throws `unsupported_item` for what Chat or this upstream cannot be sent. */
export function hubToChat(request: ResponsesRequest, capabilities: ChatCapabilities): UpstreamBody {
  const { value, notes, names } = chatBody(request, capabilities);
  return { body: JSON.stringify(value), notes, names };
}

export function chatBody(request: ResponsesRequest, capabilities: ChatCapabilities): BodyValue {
  const flat = flattenTools(request, capabilities.hosted);
  const { turns, notes } = readTurns(request, flat.names);
  const messages = writeChatMessages(request.instructions, turns, capabilities);
  const effort = request.reasoning?.effort ?? undefined;
  const takesEffort = capabilities.reasoningEffort || effort === undefined;
  const value = defined({
    model: request.model,
    stream: true,
    stream_options: { include_usage: true },
    [capabilities.maxTokensField]: request.max_output_tokens ?? undefined,
    ...Object.fromEntries(SAME.map((name) => [name, request[name] ?? undefined])),
    reasoning_effort: takesEffort ? effort : undefined,
    response_format: writeFormat(request.text ?? {}),
    verbosity: request.text?.["verbosity"] ?? undefined,
    ...writeTools(flat.tools, flat.choice, request.parallel_tool_calls),
    messages: messages.value,
  });
  const settings = droppedSettings(request, PASSED);
  if (!takesEffort) settings.push(droppedSetting("reasoning.effort", "the upstream has no such setting"));
  return { value, notes: [...settings, ...flat.notes, ...notes, ...messages.notes], names: flat.names };
}

const SAME = [
  ...["temperature", "top_p", "stop", "seed", "frequency_penalty", "presence_penalty", "logit_bias"],
  ...["service_tier", "prompt_cache_key", "safety_identifier", "user", "metadata"],
];
const PASSED: ReadonlySet<string> = new Set(SAME);

function writeFormat(text: Raw): Raw | undefined {
  const { type, name, description, schema, strict } = record(text["format"]);
  if (type === undefined || type === "text") return undefined;
  if (type === "json_object") return { type };
  if (type !== "json_schema") {
    throw unsupportedItem(`text.format of type ${String(type)}`, undefined, "Chat has no such format");
  }
  return { type, json_schema: defined({ name, description, schema, strict: strict ?? undefined }) };
}

function writeTools(
  tools: readonly FlatTool[],
  choice: FlatChoice | undefined,
  parallel: boolean | undefined,
): Raw {
  if (tools.length === 0) return {};
  return {
    tools: tools.map(({ name, description, parameters, strict }) => ({
      type: "function",
      function: defined({ name, description, parameters, strict }),
    })),
    tool_choice:
      choice?.mode === "tool" ? { type: "function", function: { name: choice.name } } : choice?.mode,
    parallel_tool_calls: parallel ?? undefined,
  };
}
