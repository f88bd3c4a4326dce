/** A client's Messages body as a hub request. Specification: Anthropic Messages API reference. */

import type { Item, ResponsesRequest } from "@moho/protocol";
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
import { type HubRequest, invalidAt, type Note } from "../notes.ts";
import { BlockReader } from "./blocks-in.ts";
import { effortOfBudget } from "./effort.ts";
import { readMessagesChoice, readMessagesTools } from "./tools-in.ts";

/** What is translated, and what changes nothing of the answer. */
const READ: ReadonlySet<string> = new Set([
  ...[
    "model",
    "messages",
    "system",
    "tools",
    "tool_choice",
    "max_tokens",
    "stop_sequences",
    "temperature",
    "top_p",
  ],
  ...["top_k", "stream", "metadata", "thinking", "output_config", "service_tier", "anthropic_version"],
]);

/**
 * Reads a parsed body. Throws `invalid_request` with the JSON path for what Messages does not allow, `unsupported_item`
 * for what the hub cannot hold. The hub is asked not to store, and to hand out sealed reasoning: a Messages client
 * keeps its history itself.
 */
export function messagesToHub(body: unknown): HubRequest {
  const raw = expectObject(body, "$");
  const notes: Note[] = [];
  const messages = expectArray(raw["messages"], "messages");
  if (messages.length === 0) throw invalidAt("messages", "must not be empty");
  const { instructions, items } = readSystem(raw["system"]);
  const input = [...items, ...readMessages(messages, notes)];
  const request = defined({
    model: expectName(raw["model"], "model"),
    instructions,
    stream: optional(raw, "stream", "", expectBoolean),
    max_output_tokens: expectCount(raw["max_tokens"], "max_tokens"),
    temperature: optional(raw, "temperature", "", expectNumber),
    top_p: optional(raw, "top_p", "", expectNumber),
    top_k: optional(raw, "top_k", "", expectNumber),
    stop: optional(raw, "stop_sequences", "", expectStrings),
    user: readUser(raw),
    service_tier: readTier(raw),
    reasoning: readReasoning(raw, notes),
    text: readFormat(raw),
    tools: readMessagesTools(raw, notes),
    ...readMessagesChoice(raw),
    store: false,
    include: ["reasoning.encrypted_content"],
    input,
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

function expectStrings(value: unknown, path: string): string[] {
  return expectArray(value, path).map((text, index) => expectString(text, `${path}[${index}]`));
}

/** Plain text is the hub's instructions; blocks, which may carry cache breakpoints, are a system message. */
function readSystem(system: unknown): { instructions?: string; items: Item[] } {
  if (system === undefined || system === null) return { items: [] };
  if (typeof system === "string") return { instructions: system, items: [] };
  const reader = new BlockReader([], 0);
  const content = expectArray(system, "system").map((block, at) => reader.text(block, `system[${at}]`));
  return { items: content.length === 0 ? [] : [{ type: "message", role: "system", content }] };
}

function readMessages(messages: readonly unknown[], notes: Note[]): Item[] {
  return messages.flatMap((value, index) => {
    const path = `messages[${index}]`;
    const message = expectObject(value, path);
    const { role, content } = message;
    const reader = new BlockReader(notes, index);
    if (role === "user") return reader.user(content, `${path}.content`);
    if (role === "assistant") return reader.answer(content, `${path}.content`);
    if (role !== "system") throw invalidAt(`${path}.role`, "must be user, assistant or system");
    return reader.user(content, `${path}.content`, "system");
  });
}

function readUser(raw: Raw): string | undefined {
  const metadata = optional(raw, "metadata", "", expectObject);
  return metadata === undefined ? undefined : optional(metadata, "user_id", "metadata", expectString);
}

function readTier(raw: Raw): string | undefined {
  const tier = optional(raw, "service_tier", "", expectString);
  return tier === "standard_only" ? "default" : tier;
}

function readReasoning(raw: Raw, notes: Note[]): { effort?: string; summary?: string } | undefined {
  const thinking = optional(raw, "thinking", "", expectObject);
  const config = optional(raw, "output_config", "", expectObject) ?? {};
  const effort = optional(config, "effort", "output_config", expectString);
  const word = effort === "max" ? "xhigh" : effort;
  const type = thinking?.["type"];
  if (type === undefined) return word === undefined ? undefined : { effort: word };
  if (type === "disabled") return { effort: "none" };
  if (type === "enabled") {
    const budget = expectCount(thinking!["budget_tokens"], "thinking.budget_tokens");
    const why = "a budget of thinking tokens is an effort in other dialects";
    notes.push({ leg: "client", kind: "thinking", index: undefined, what: "rewritten", why });
    return { effort: word ?? effortOfBudget(budget), summary: "auto" };
  }
  if (type !== "adaptive" && type !== "between_tools") {
    throw invalidAt("thinking.type", "must be enabled, adaptive, between_tools or disabled");
  }
  return { ...(word !== undefined && { effort: word }), summary: "auto" };
}

function readFormat(raw: Raw): Record<string, unknown> | undefined {
  const config = optional(raw, "output_config", "", expectObject) ?? {};
  const format = optional(config, "format", "output_config", expectObject);
  if (format === undefined) return undefined;
  const path = "output_config.format";
  if (format["type"] !== "json_schema") throw invalidAt(`${path}.type`, "must be json_schema");
  const schema = expectObject(format["schema"], `${path}.schema`);
  return { format: { type: "json_schema", name: "output", schema, strict: true } };
}
