/**
 * The hub form: OpenAI Responses items, which every other dialect translates to and from.
 * Only what Moho reads is named; anything else a peer sends is kept (see {@link OtherItem}).
 * Specification: OpenAI Responses API reference, as served by Bedrock Mantle.
 */

export type TextPart = {
  type: "input_text" | "output_text" | "text" | "summary_text" | "reasoning_text";
  text: string;
  [extra: string]: unknown;
};
export type ImagePart = {
  type: "input_image";
  image_url?: string;
  detail?: string;
  [extra: string]: unknown;
};
export type FilePart = {
  type: "input_file";
  filename?: string;
  file_data?: string;
  [extra: string]: unknown;
};
export type RefusalPart = { type: "refusal"; refusal: string; [extra: string]: unknown };
export type ContentPart = TextPart | ImagePart | FilePart | RefusalPart;

export type Role = "user" | "assistant" | "developer" | "system";

export interface MessageItem {
  type: "message";
  id?: string;
  role: Role;
  content: string | ContentPart[];
  status?: string;
  [extra: string]: unknown;
}

/** A call of a JSON-schema tool; `arguments` is JSON text exactly as the model wrote it. */
export interface FunctionCallItem {
  type: "function_call";
  id?: string;
  call_id: string;
  name: string;
  namespace?: string;
  arguments: string;
  status?: string;
  [extra: string]: unknown;
}

export interface FunctionCallOutputItem {
  type: "function_call_output";
  id?: string;
  call_id: string;
  output: string | ContentPart[];
  [extra: string]: unknown;
}

/** A call of a freeform (grammar) tool; `input` is plain text. */
export interface CustomToolCallItem {
  type: "custom_tool_call";
  id?: string;
  call_id: string;
  name: string;
  input: string;
  status?: string;
  [extra: string]: unknown;
}

export interface CustomToolCallOutputItem {
  type: "custom_tool_call_output";
  id?: string;
  call_id: string;
  output: string | ContentPart[];
  [extra: string]: unknown;
}

/** Opaque to everybody but the model that wrote it; replayed unmodified. */
export interface ReasoningItem {
  type: "reasoning";
  id?: string;
  summary: TextPart[];
  content?: TextPart[];
  encrypted_content?: string | null;
  [extra: string]: unknown;
}

export interface CompactionItem {
  type: "compaction";
  id?: string;
  encrypted_content: string;
  [extra: string]: unknown;
}

/** An item kind Moho does not act on: stored and replayed as it came. */
export interface OtherItem {
  type:
    | "web_search_call"
    | "tool_search_call"
    | "tool_search_output"
    | "mcp_call"
    | "agent_message"
    | "other";
  id?: string;
  [extra: string]: unknown;
}

export type Item =
  | MessageItem
  | FunctionCallItem
  | FunctionCallOutputItem
  | CustomToolCallItem
  | CustomToolCallOutputItem
  | ReasoningItem
  | CompactionItem
  | OtherItem;

export type ToolCallItem = FunctionCallItem | CustomToolCallItem;
export type ToolOutputItem = FunctionCallOutputItem | CustomToolCallOutputItem;

export type FunctionTool = {
  type: "function";
  name: string;
  description?: string;
  parameters: Record<string, unknown>;
  strict?: boolean;
};
export type CustomTool = {
  type: "custom";
  name: string;
  description?: string;
  format?: { type: "grammar"; syntax: "lark" | "regex"; definition: string } | { type: "text" };
};
export type OtherTool = {
  type: "namespace" | "web_search" | "tool_search" | "mcp";
  [extra: string]: unknown;
};
export type ToolSpec = FunctionTool | CustomTool | OtherTool;

/** `POST …/responses`. Unknown fields are kept. */
export interface ResponsesRequest {
  model: string;
  input: string | Item[];
  instructions?: string;
  stream?: boolean;
  store?: boolean;
  tools?: ToolSpec[];
  tool_choice?: unknown;
  parallel_tool_calls?: boolean;
  max_output_tokens?: number;
  reasoning?: { effort?: string; summary?: string };
  text?: Record<string, unknown>;
  include?: string[];
  prompt_cache_key?: string;
  service_tier?: string;
  metadata?: Record<string, string>;
  [extra: string]: unknown;
}

export function isToolCall(item: Item): item is ToolCallItem {
  return item.type === "function_call" || item.type === "custom_tool_call";
}

/** The plain text of a message, tool output or list of parts; images and files are skipped. */
export function textOf(content: string | readonly ContentPart[]): string {
  if (typeof content === "string") return content;
  let text = "";
  for (const part of content) {
    if ("text" in part && typeof part.text === "string") text += part.text;
    else if (part.type === "refusal") text += part.refusal;
  }
  return text;
}
