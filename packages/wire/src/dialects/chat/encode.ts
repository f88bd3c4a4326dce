/** Writes an answer as `chat.completion.chunk`s or as one `chat.completion`. Specification: OpenAI Chat Completions. */

import type { Item, ModelEvent, Usage } from "@moho/protocol";
import { renderError } from "../../errors/render.ts";
import { AnswerCollector, type AnswerHead, type AnswerStop, isRefusal, stopOf } from "../answer.ts";
import { droppedItem, type Note } from "../notes.ts";
import { writeChatUsage } from "./usage.ts";

export interface ChatEncoderOptions {
  /** The client asked for `stream_options.include_usage`. */
  includeUsage: boolean;
}

type Body = Record<string, unknown>;

interface OpenItem {
  kind: "content" | "refusal" | "reasoning" | "call";
  /** Place among the tool calls. */
  callIndex: number;
  /** Something of its text was sent. */
  sent: boolean;
}

const FINISH: Readonly<Record<AnswerStop, string>> = {
  completed: "stop",
  max_output_tokens: "length",
  content_filter: "content_filter",
};

/**
 * One answer. `push` gives the text that the event adds to a stream, its end included: after `completed`, and after a
 * cut-off that Chat has a `finish_reason` for, `[DONE]`; after a failure an `error` event and no `[DONE]`.
 */
export class ChatEncoder {
  readonly #collected = new AnswerCollector();
  readonly #head: AnswerHead;
  readonly #options: ChatEncoderOptions;
  /** A chunk's text up to its delta, and from behind it. */
  readonly #before: string;
  readonly #after = `,"logprobs":null,"finish_reason":null}]}\n\n`;
  readonly #open = new Map<number, OpenItem>();
  #calls = 0;
  #begun = false;
  /** What Chat could not be told. */
  readonly notes: Note[] = [];

  constructor(head: AnswerHead, options: ChatEncoderOptions = { includeUsage: true }) {
    this.#head = head;
    this.#options = options;
    this.#before = `data: ${JSON.stringify(this.#chunk()).slice(0, -1)},"choices":[{"index":0,"delta":`;
  }

  get finished(): boolean {
    return this.#collected.finished;
  }

  push(event: ModelEvent): string[] {
    if (this.finished) return [];
    this.#collected.push(event);
    switch (event.type) {
      case "item.started":
        return this.#started(event.index, event.item);
      case "text.delta":
      case "reasoning.delta":
      case "arguments.delta":
        return this.#delta(event.index, event.delta);
      case "item.done":
        return this.#done(event.index, event.item);
      case "completed":
      case "failed":
        return this.#last(event);
      default:
        return [];
    }
  }

  /** The body of an answer that is not streamed. Throws the failure when the answer is one. */
  whole(): Body {
    const { items, stop, usage } = this.#collected.whole();
    const calls = items.filter((item) => CALLS.has(item.type));
    const message: Body = { role: "assistant", content: contentOf(items), refusal: refusalOf(items) };
    const reasoning = items
      .map(reasoningOf)
      .filter((text) => text !== "")
      .join("\n\n");
    if (reasoning !== "") message["reasoning"] = reasoning;
    if (calls.length > 0) message["tool_calls"] = calls.map(wholeCall);
    return {
      ...this.#chunk("chat.completion"),
      choices: [{ index: 0, message, logprobs: null, finish_reason: this.#finish(stop, calls.length > 0) }],
      ...(usage !== undefined && { usage: writeChatUsage(usage) }),
    };
  }

  #started(index: number, item: Item): string[] {
    if (CALLS.has(item.type)) {
      // Servers may announce a call before they know its fields.
      const ready = typeof item["call_id"] === "string" && item["call_id"] !== "" && wireNameOf(item) !== "";
      return ready ? this.#startCall(index, item) : [];
    }
    if (item.type === "message") {
      this.#open.set(index, { kind: isRefusal(item) ? "refusal" : "content", callIndex: -1, sent: false });
    } else if (item.type === "reasoning") {
      this.#open.set(index, { kind: "reasoning", callIndex: -1, sent: false });
    }
    return [];
  }

  #startCall(index: number, item: Item): string[] {
    const callIndex = this.#calls++;
    this.#open.set(index, { kind: "call", callIndex, sent: false });
    const call = { index: callIndex, ...emptied(wholeCall(item)) };
    return [this.#text(JSON.stringify({ tool_calls: [call] }))];
  }

  #delta(index: number, delta: string): string[] {
    const open = this.#open.get(index);
    if (open === undefined || delta === "") return [];
    open.sent = true;
    const text = JSON.stringify(delta);
    if (open.kind !== "call") return [this.#text(`{"${open.kind}":${text}}`)];
    const item = this.#collected.item(index);
    const member =
      item?.type === "custom_tool_call" ? `"custom":{"input":${text}}` : `"function":{"arguments":${text}}`;
    return [this.#text(`{"tool_calls":[{"index":${open.callIndex},${member}}]}`)];
  }

  /** What of the item was not sent yet. */
  #done(index: number, item: Item): string[] {
    const chunks: string[] = [];
    if (!this.#open.has(index)) {
      chunks.push(...(CALLS.has(item.type) ? this.#startCall(index, item) : this.#started(index, item)));
    }
    const open = this.#open.get(index);
    if (open === undefined) {
      this.notes.push(droppedItem(item, index, "Chat has no such item"));
      return chunks;
    }
    if (!open.sent) chunks.push(...this.#unsent(index, open, item));
    this.#open.delete(index);
    return chunks;
  }

  #unsent(index: number, open: OpenItem, item: Item): string[] {
    if (open.kind === "call") return this.#delta(index, callText(item));
    if (open.kind === "reasoning") return this.#delta(index, reasoningOf(item));
    const refusal = refusalOf([item]);
    const chunks = this.#delta(index, contentOf([item]) ?? "");
    if (refusal !== null) chunks.push(this.#text(JSON.stringify({ refusal })));
    return chunks;
  }

  #last(event: ModelEvent & { type: "completed" | "failed" }): string[] {
    const stop = stopOf(event);
    if (stop === undefined) {
      return event.type === "failed" ? [`data: ${renderError(event.error, "openai").body}\n\n`] : [];
    }
    const finish = JSON.stringify(this.#finish(stop, this.#calls > 0));
    const chunks = [this.#text("{}", `,"logprobs":null,"finish_reason":${finish}}]}\n\n`)];
    if (this.#options.includeUsage && event.usage !== undefined) chunks.push(this.#usage(event.usage));
    return [...chunks, "data: [DONE]\n\n"];
  }

  #usage(usage: Usage): string {
    return `data: ${JSON.stringify({ ...this.#chunk(), choices: [], usage: writeChatUsage(usage) })}\n\n`;
  }

  #finish(stop: AnswerStop, calls: boolean): string {
    return stop === "completed" && calls ? "tool_calls" : FINISH[stop];
  }

  #text(delta: string, after: string = this.#after): string {
    const first = this.#begun ? "" : `${this.#before}{"role":"assistant","content":""}${this.#after}`;
    this.#begun = true;
    return `${first}${this.#before}${delta}${after}`;
  }

  #chunk(object = "chat.completion.chunk"): Body {
    const { id, model, createdAt } = this.#head;
    return { id, object, created: createdAt, model };
  }
}

const CALLS: ReadonlySet<string> = new Set(["function_call", "custom_tool_call", "tool_search_call"]);

/** A namespace that the client did not declare can only be part of the name. */
function wireNameOf(item: Item): string {
  if (item.type === "tool_search_call") return "tool_search";
  const name = String(item["name"] ?? "");
  return typeof item["namespace"] === "string" ? `${item["namespace"]}__${name}` : name;
}

function callText(item: Item): string {
  if (item.type === "custom_tool_call") return item.input;
  const text = item["arguments"];
  return typeof text === "string" ? text : JSON.stringify(text ?? {});
}

function wholeCall(item: Item): Body {
  const id = item["call_id"];
  const name = wireNameOf(item);
  if (item.type === "custom_tool_call") return { id, type: "custom", custom: { name, input: item.input } };
  return { id, type: "function", function: { name, arguments: callText(item) } };
}

function emptied(call: Body): Body {
  if (call["type"] === "custom") return { ...call, custom: { ...(call["custom"] as Body), input: "" } };
  return { ...call, function: { ...(call["function"] as Body), arguments: "" } };
}

function contentOf(items: readonly Item[]): string | null {
  const texts: string[] = [];
  for (const item of items) {
    if (item.type !== "message") continue;
    if (typeof item.content === "string") texts.push(item.content);
    else for (const part of item.content) if ("text" in part) texts.push(String(part.text));
  }
  return texts.length === 0 ? null : texts.join("");
}

function refusalOf(items: readonly Item[]): string | null {
  const texts: string[] = [];
  for (const item of items) {
    if (item.type !== "message" || typeof item.content === "string") continue;
    for (const part of item.content) if (part.type === "refusal") texts.push(part.refusal);
  }
  return texts.length === 0 ? null : texts.join("");
}

function reasoningOf(item: Item): string {
  if (item.type !== "reasoning") return "";
  const parts = item.content?.length ? item.content : item.summary;
  return parts.map((part) => part.text).join("\n\n");
}
