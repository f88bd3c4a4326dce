/** Writes an answer as Responses events or as one JSON body, the way OpenAI's API reference and Bedrock Mantle do. */

import type { ContentPart, Item, MohoError, Usage } from "@moho/protocol";
import { openAiErrorCode } from "../../errors/render.ts";
import { formatSse } from "../../framing/sse.ts";
import { writeResponsesUsage } from "./usage.ts";

/** A whole answer. */
export interface ResponsesAnswer {
  id: string;
  model: string;
  /** Seconds since 1970. */
  createdAt: number;
  /** Items without an `id` get one made of the answer's. */
  items: readonly Item[];
  usage: Usage | undefined;
  /** How the answer ends; `completed` when absent. */
  end?: AnswerEnd;
}

export type AnswerEnd =
  | { status: "completed" }
  | { status: "incomplete"; reason: "max_output_tokens" | "content_filter" }
  | { status: "failed"; code: string; message: string };

export interface ResponsesStreamEvent {
  type: string;
  sequence_number: number;
  [member: string]: unknown;
}

type Body = Record<string, unknown>;

/** The body of an answer that is not streamed. */
export function responsesBody(answer: ResponsesAnswer): Body {
  return snapshot(answer, answer.end ?? { status: "completed" }, withIds(answer));
}

/** The events of a streamed answer in order. `chunk` is the length of a delta in UTF-16 units; it never splits a character. */
export function* responsesEvents(answer: ResponsesAnswer, chunk = 16): Generator<ResponsesStreamEvent> {
  let sequence = 0;
  const event = (type: string, members: Body): ResponsesStreamEvent => ({
    type,
    sequence_number: sequence++,
    ...members,
  });
  const items = withIds(answer);
  const begun = snapshot(answer, undefined, []);
  yield event("response.created", { response: begun });
  yield event("response.in_progress", { response: begun });
  for (const [index, item] of items.entries()) {
    for (const { type, ...members } of itemEvents(item, index, chunk)) yield event(type, members);
  }
  const end = answer.end ?? { status: "completed" };
  yield event(`response.${end.status}`, { response: snapshot(answer, end, items) });
}

/** One event as SSE text. */
export function formatResponsesEvent(event: ResponsesStreamEvent): string {
  return formatSse(event.type, JSON.stringify(event));
}

/** The last event of a stream that broke in the middle: `response.failed`, which Codex and the OpenAI SDKs understand. */
export function responsesFailure(
  error: MohoError,
  answer: { id: string; model: string; createdAt: number; sequence: number },
): ResponsesStreamEvent {
  const failed: AnswerEnd = { status: "failed", ...openAiErrorCode(error) };
  const response = snapshot({ ...answer, items: [], usage: undefined }, failed, []);
  return { type: "response.failed", sequence_number: answer.sequence, response };
}

/** The response object at one moment; `end` is absent while it goes on. */
export function snapshot(answer: ResponsesAnswer, end: AnswerEnd | undefined, items: readonly Item[]): Body {
  return {
    id: answer.id,
    object: "response",
    created_at: answer.createdAt,
    status: end?.status ?? "in_progress",
    background: false,
    error: end?.status === "failed" ? { code: end.code, message: end.message } : null,
    incomplete_details: end?.status === "incomplete" ? { reason: end.reason } : null,
    instructions: null,
    max_output_tokens: null,
    metadata: {},
    model: answer.model,
    output: items,
    parallel_tool_calls: true,
    previous_response_id: null,
    reasoning: { effort: null, summary: null },
    store: false,
    temperature: 1,
    text: { format: { type: "text" } },
    tool_choice: "auto",
    tools: [],
    top_p: 1,
    truncation: "disabled",
    usage: end === undefined || answer.usage === undefined ? null : writeResponsesUsage(answer.usage),
  };
}

const ID_PREFIX: Readonly<Record<string, string>> = {
  message: "msg",
  function_call: "fc",
  custom_tool_call: "ctc",
  reasoning: "rs",
  tool_search_call: "tsc",
  compaction: "cmp",
};

function withIds(answer: ResponsesAnswer): Item[] {
  return answer.items.map((item, index) => withId(item, answer.id, index));
}

/** The item as the output's `index`-th: with an id, and a status where the kind has one. */
export function withId(item: Item, answerId: string, index: number): Item {
  const id = item.id ?? `${ID_PREFIX[item.type] ?? "item"}_${answerId.replace(/^resp_/, "")}_${index}`;
  const status = item.type === "message" || item.type.endsWith("_call") ? { status: "completed" } : {};
  return { ...status, ...item, id };
}

export type Step = { type: string } & Body;

/** How much of an item a stream has shown: nothing, its announcement, the deltas of its first text as well. */
export type Shown = "nothing" | "announced" | "streamed";

/** The events of one item, without sequence numbers, but for those that were shown. */
export function* itemEvents(
  item: Item,
  index: number,
  chunk: number,
  shown: Shown = "nothing",
): Generator<Step> {
  const at = { item_id: item.id, output_index: index };
  const streamed = shown === "streamed";
  if (shown === "nothing") {
    yield { type: "response.output_item.added", output_index: index, item: blank(item) };
  }
  if (item.type === "message") yield* messageEvents(partsOf(item.content), at, chunk, streamed);
  else if (item.type === "reasoning") yield* reasoningEvents(item, at, chunk, streamed);
  else if (item.type === "function_call") {
    yield* textEvents("response.function_call_arguments", at, "arguments", item.arguments, chunk, streamed);
  } else if (item.type === "custom_tool_call") {
    yield* textEvents("response.custom_tool_call_input", at, "input", item.input, chunk, streamed);
  }
  yield { type: "response.output_item.done", output_index: index, item };
}

function* messageEvents(
  parts: readonly ContentPart[],
  item: Body,
  chunk: number,
  firstStreamed: boolean,
): Generator<Step> {
  for (const [contentIndex, part] of parts.entries()) {
    const at = { ...item, content_index: contentIndex };
    const streamed = firstStreamed && contentIndex === 0;
    const refusal = part.type === "refusal";
    const text = refusal ? part.refusal : "text" in part && typeof part.text === "string" ? part.text : "";
    if (!streamed) {
      const empty = refusal ? { ...part, refusal: "" } : { ...part, text: "" };
      yield { type: "response.content_part.added", ...at, part: empty };
    }
    if (refusal) yield* textEvents("response.refusal", at, "refusal", text, chunk, streamed);
    else yield* textEvents("response.output_text", at, "text", text, chunk, streamed, { logprobs: [] });
    yield { type: "response.content_part.done", ...at, part };
  }
}

/** Either the summary or the content has been streamed, whichever comes first. */
function* reasoningEvents(
  item: Item & { type: "reasoning" },
  at: Body,
  chunk: number,
  firstStreamed: boolean,
): Generator<Step> {
  for (const [summaryIndex, part] of item.summary.entries()) {
    const here = { ...at, summary_index: summaryIndex };
    const streamed = firstStreamed && summaryIndex === 0;
    if (!streamed) {
      yield { type: "response.reasoning_summary_part.added", ...here, part: { ...part, text: "" } };
    }
    yield* textEvents("response.reasoning_summary_text", here, "text", part.text, chunk, streamed);
    yield { type: "response.reasoning_summary_part.done", ...here, part };
  }
  for (const [contentIndex, part] of (item.content ?? []).entries()) {
    const here = { ...at, content_index: contentIndex };
    const streamed = firstStreamed && contentIndex === 0 && item.summary.length === 0;
    yield* textEvents("response.reasoning_text", here, "text", part.text, chunk, streamed);
  }
}

/** Deltas of `text` unless they were sent, then the `done` that repeats it under `member`. */
function* textEvents(
  type: string,
  at: Body,
  member: string,
  text: string,
  chunk: number,
  streamed: boolean,
  extra: Body = {},
): Generator<Step> {
  if (!streamed)
    for (const delta of pieces(text, chunk)) yield { type: `${type}.delta`, ...at, delta, ...extra };
  yield { type: `${type}.done`, ...at, [member]: text, ...extra };
}

function* pieces(text: string, chunk: number): Generator<string> {
  for (let at = 0; at < text.length; ) {
    let end = Math.min(at + Math.max(1, chunk), text.length);
    const unit = text.charCodeAt(end - 1);
    if (unit >= 0xd800 && unit <= 0xdbff && end < text.length) end++;
    yield text.slice(at, end);
    at = end;
  }
}

/** The item as it is announced: in progress, nothing in it. */
export function blank(item: Item): Item {
  switch (item.type) {
    case "message":
      return { ...item, content: [], status: "in_progress" };
    case "function_call":
      return { ...item, arguments: "", status: "in_progress" };
    case "custom_tool_call":
      return { ...item, input: "", status: "in_progress" };
    case "reasoning":
      return { type: "reasoning", id: item.id!, summary: [] };
    default:
      return item;
  }
}

function partsOf(content: string | ContentPart[]): readonly ContentPart[] {
  return typeof content === "string" ? [{ type: "output_text", text: content, annotations: [] }] : content;
}
