/** A client's Chat Completions body as a hub request. Specification: OpenAI Chat Completions API reference. */

import type { Item, ResponsesRequest } from "@moho/protocol";
import { record } from "../../framing/json.ts";
import {
  defined,
  expectArray,
  expectBoolean,
  expectCount,
  expectName,
  expectNumber,
  expectObject,
  expectString,
  optional,
  type Raw,
} from "../fields.ts";
import { type HubRequest, invalidAt, type Note, unsupportedItem } from "../notes.ts";
import { readChatAnswer, readChatParts } from "./content-in.ts";
import { readChatChoice, readChatTools } from "./tools-in.ts";

/** Settings that the hub has under the same name and kind. */
const SAME = [
  ["temperature", expectNumber],
  ["top_p", expectNumber],
  ["seed", expectNumber],
  ["frequency_penalty", expectNumber],
  ["presence_penalty", expectNumber],
  ["logit_bias", expectObject],
  ["parallel_tool_calls", expectBoolean],
  ["stream", expectBoolean],
  ["store", expectBoolean],
  ["service_tier", expectString],
  ["prompt_cache_key", expectString],
  ["safety_identifier", expectString],
  ["user", expectString],
  ["metadata", expectObject],
] as const;

/** What is translated, and what changes nothing of the answer. */
const READ: ReadonlySet<string> = new Set([
  ...SAME.map(([name]) => name),
  ...[
    "model",
    "messages",
    "tools",
    "tool_choice",
    "stop",
    "n",
    "response_format",
    "verbosity",
    "stream_options",
  ],
  ...["max_tokens", "max_completion_tokens", "reasoning_effort", "web_search_options", "modalities"],
]);

/**
 * Reads a parsed body. Throws `invalid_request` with the JSON path for what Chat does not allow, `unsupported_item` for
 * what the hub cannot hold. Settings that no other dialect knows are dropped with a note.
 */
export function chatToHub(body: unknown): HubRequest {
  const raw = expectObject(body, "$");
  refuseForeign(raw);
  const messages = expectArray(raw["messages"], "messages");
  if (messages.length === 0) throw invalidAt("messages", "must not be empty");
  const notes: Note[] = [];
  const effort = optional(raw, "reasoning_effort", "", expectString);
  const request = defined({
    model: expectName(raw["model"], "model"),
    ...Object.fromEntries(SAME.map(([name, expect]) => [name, optional<unknown>(raw, name, "", expect)])),
    max_output_tokens:
      optional(raw, "max_completion_tokens", "", expectCount) ?? optional(raw, "max_tokens", "", expectCount),
    stop: readStop(raw),
    reasoning: effort === undefined ? undefined : { effort },
    text: readFormat(raw),
    tools: readChatTools(raw),
    tool_choice: readChatChoice(raw),
    input: readMessages(messages, notes),
  }) as ResponsesRequest;
  for (const [kind, value] of Object.entries(raw)) {
    if (READ.has(kind) || value === null || value === undefined) continue;
    notes.push({
      leg: "client",
      kind,
      index: undefined,
      what: "dropped",
      why: "no other dialect has this setting",
    });
  }
  return { request, notes };
}

/** Does the client want a usage chunk at the end of its stream? */
export function wantsUsageChunk(body: unknown): boolean {
  return record(record(body)["stream_options"])["include_usage"] === true;
}

function refuseForeign(raw: Raw): void {
  const n = optional(raw, "n", "", expectCount);
  if (n !== undefined && n !== 1) throw invalidAt("n", "must be 1: other models give one answer at a time");
  for (const old of ["functions", "function_call"]) {
    if (raw[old] !== undefined && raw[old] !== null) {
      throw invalidAt(old, "is out of use: send `tools` and `tool_choice`");
    }
  }
  const modalities = optional(raw, "modalities", "", expectArray) ?? ["text"];
  if (modalities.some((modality) => modality !== "text")) {
    throw unsupportedItem("modalities", undefined, "only text can be answered");
  }
}

function readStop(raw: Raw): string[] | undefined {
  const stop = raw["stop"];
  if (stop === undefined || stop === null) return undefined;
  if (typeof stop === "string") return [stop];
  return expectArray(stop, "stop").map((text, index) => expectString(text, `stop[${index}]`));
}

function readFormat(raw: Raw): Record<string, unknown> | undefined {
  const verbosity = optional(raw, "verbosity", "", expectString);
  const format = optional(raw, "response_format", "", expectObject);
  if (verbosity === undefined && format === undefined) return undefined;
  return defined({ format: format === undefined ? undefined : readFormatKind(format), verbosity });
}

function readFormatKind(format: Raw): Raw {
  const type = format["type"];
  if (type === "text" || type === "json_object") return { type };
  if (type !== "json_schema")
    throw invalidAt("response_format.type", "must be text, json_object or json_schema");
  const path = "response_format.json_schema";
  const spec = expectObject(format["json_schema"], path);
  return defined({
    type,
    name: expectName(spec["name"], `${path}.name`),
    description: optional(spec, "description", path, expectString),
    schema: optional(spec, "schema", path, expectObject) ?? {},
    strict: optional(spec, "strict", path, expectBoolean),
  });
}

function readMessages(messages: readonly unknown[], notes: Note[]): Item[] {
  const items: Item[] = [];
  /** Calls of freeform tools: their results are items of another type. */
  const custom = new Set<string>();
  for (const [index, value] of messages.entries()) {
    const message = expectObject(value, `messages[${index}]`);
    if (typeof message["name"] === "string") {
      const why = "other dialects have no names for participants";
      notes.push({ leg: "client", kind: "name", index, what: "dropped", why });
    }
    for (const item of readMessage(message, index, custom)) {
      if (item.type === "custom_tool_call") custom.add(item.call_id);
      items.push(item);
    }
  }
  return items;
}

function readMessage(message: Raw, index: number, custom: ReadonlySet<string>): Item[] {
  const path = `messages[${index}]`;
  const { role } = message;
  switch (role) {
    case "developer":
    case "system":
    case "user":
      return [
        { type: "message", role, content: readChatParts(message["content"], `${path}.content`, index) },
      ];
    case "assistant":
      return readChatAnswer(message, index);
    case "tool": {
      const callId = expectName(message["tool_call_id"], `${path}.tool_call_id`);
      const type = custom.has(callId) ? "custom_tool_call_output" : "function_call_output";
      return [{ type, call_id: callId, output: readChatParts(message["content"], `${path}.content`, index) }];
    }
    case "function":
      throw invalidAt(`${path}.role`, "is out of use: send a `tool` message");
    default:
      throw invalidAt(`${path}.role`, "must be developer, system, user, assistant or tool");
  }
}
