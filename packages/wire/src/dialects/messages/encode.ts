/** Writes an answer as Messages events or as one Message. Specification: Anthropic Messages API, streaming. */

import type { Item, ModelEvent } from "@moho/protocol";
import { renderError } from "../../errors/render.ts";
import { formatSse } from "../../framing/sse.ts";
import { AnswerCollector, type AnswerHead, type AnswerStop, stopOf } from "../answer.ts";
import type { Raw } from "../fields.ts";
import { droppedItem, type Note } from "../notes.ts";
import { foreignSignature, openSeal } from "../sealed.ts";
import { CUSTOM_ARGUMENT, parsedArguments } from "../tools.ts";
import { writeMessagesUsage } from "./usage.ts";

type ItemEvent = ModelEvent & { index: number };

const STOPS: Readonly<Record<AnswerStop, string>> = {
  completed: "end_turn",
  max_output_tokens: "max_tokens",
  content_filter: "refusal",
};

/**
 * One answer. `push` gives the text that the event adds to a stream, its end included: `message_delta` and
 * `message_stop`, or after a failure an `error` event. Blocks never overlap: an item that begins before another one has
 * ended waits for it.
 */
export class MessagesEncoder {
  readonly #collected = new AnswerCollector();
  readonly #head: AnswerHead;
  #begun = false;
  #nextBlock = 0;
  /** The item whose block may be written. */
  #current: { index: number; open: boolean; sent: boolean } | undefined;
  /** Events of items behind it. */
  #queue: ItemEvent[] = [];
  /** What Messages could not be told. */
  readonly notes: Note[] = [];

  constructor(head: AnswerHead) {
    this.#head = head;
  }

  get finished(): boolean {
    return this.#collected.finished;
  }

  push(event: ModelEvent): string[] {
    if (this.finished) return [];
    this.#collected.push(event);
    switch (event.type) {
      case "item.started":
      case "text.delta":
      case "reasoning.delta":
      case "arguments.delta":
      case "item.done":
        return this.#item(event);
      case "completed":
      case "failed":
        return this.#last(event);
      default:
        return [];
    }
  }

  /** The body of an answer that is not streamed. Throws the failure when the answer is one. */
  whole(): Record<string, unknown> {
    const { items, stop, usage } = this.#collected.whole();
    const content = items.flatMap((item, index) => {
      const blocks = blocksOf(item);
      if (blocks === undefined) this.#drop(item, index);
      return blocks ?? [];
    });
    return {
      ...this.#message(content),
      stop_reason: stopReason(stop, items),
      ...(usage !== undefined && { usage: writeMessagesUsage(usage) }),
    };
  }

  #item(event: ItemEvent): string[] {
    if (this.#current !== undefined && this.#current.index !== event.index) {
      this.#queue.push(event);
      return [];
    }
    if (this.#current === undefined) {
      this.#current = { index: event.index, open: false, sent: false };
      if (event.type === "item.started") return this.#startCall(event.item);
    }
    if (event.type === "item.done") return this.#done(event.item);
    return event.type === "item.started" ? [] : this.#delta(event);
  }

  /** A call is shown at once, other blocks when they have something to show. */
  #startCall(item: Item): string[] {
    const ready = typeof item["call_id"] === "string" && item["call_id"] !== "" && nameOf(item) !== "";
    return CALLS.has(item.type) && ready ? this.#open(callBlock(item, {})) : [];
  }

  #delta(event: Exclude<ItemEvent, { type: "item.started" | "item.done" }>): string[] {
    const current = this.#current!;
    const { type, delta } = event as { type: string; delta: string };
    if (delta === "") return [];
    if (type === "arguments.delta") {
      // A freeform call's text becomes a JSON member, which is written when the call is whole.
      const item = this.#collected.item(event.index);
      if (!current.open || item?.type !== "function_call") return [];
      current.sent = true;
      return [this.#blockDelta(`{"type":"input_json_delta","partial_json":${JSON.stringify(delta)}}`)];
    }
    const text = type === "text.delta";
    const chunks = current.open ? [] : this.#open(text ? { type: "text", text: "" } : EMPTY_THINKING);
    current.sent = true;
    const member = text ? `{"type":"text_delta","text":` : `{"type":"thinking_delta","thinking":`;
    return [...chunks, this.#blockDelta(`${member}${JSON.stringify(delta)}}`)];
  }

  #done(item: Item): string[] {
    const current = this.#current!;
    const blocks = blocksOf(item);
    if (blocks === undefined) this.#drop(item, current.index);
    const chunks: string[] = [];
    if (current.open) chunks.push(...this.#rest(item, blocks?.[0]), ...this.#close());
    else for (const block of blocks ?? []) chunks.push(...this.#wholeBlock(block));
    this.#current = undefined;
    return [...chunks, ...this.#next()];
  }

  /** What the open block lacks. */
  #rest(item: Item, block: Raw | undefined): string[] {
    const chunks: string[] = [];
    if (block !== undefined && !this.#current!.sent) chunks.push(...this.#contentOf(block));
    else if (block?.["type"] === "thinking" && block["signature"] !== "") chunks.push(this.#signature(block));
    if (item.type === "message" && block === undefined) this.#current!.sent = true;
    return chunks;
  }

  #wholeBlock(block: Raw): string[] {
    const empty =
      block["type"] === "tool_use"
        ? { ...block, input: {} }
        : block["type"] === "text"
          ? { ...block, text: "" }
          : block["type"] === "thinking"
            ? EMPTY_THINKING
            : block;
    return [...this.#open(empty), ...this.#contentOf(block), ...this.#close()];
  }

  #contentOf(block: Raw): string[] {
    switch (block["type"]) {
      case "text":
        return [this.#blockDelta(JSON.stringify({ type: "text_delta", text: block["text"] }))];
      case "tool_use": {
        const json = JSON.stringify(block["input"]);
        return [this.#blockDelta(JSON.stringify({ type: "input_json_delta", partial_json: json }))];
      }
      case "thinking": {
        const { thinking, signature } = block;
        const text =
          thinking === "" ? [] : [this.#blockDelta(JSON.stringify({ type: "thinking_delta", thinking }))];
        return signature === "" ? text : [...text, this.#signature(block)];
      }
      default:
        return [];
    }
  }

  #signature({ signature }: Raw): string {
    return this.#blockDelta(JSON.stringify({ type: "signature_delta", signature }));
  }

  /** Events that waited for the block that has ended. */
  #next(): string[] {
    const queue = this.#queue;
    this.#queue = [];
    return queue.flatMap((event) => this.#item(event));
  }

  #last(event: ModelEvent & { type: "completed" | "failed" }): string[] {
    const stop = stopOf(event);
    if (stop === undefined) {
      return event.type === "failed" ? [formatSse("error", renderError(event.error, "anthropic").body)] : [];
    }
    const chunks: string[] = [];
    // Items that never ended: what was shown of them stays, what was not shown is no part of the answer.
    while (this.#current !== undefined) {
      if (this.#current.open) chunks.push(...this.#close());
      const { index } = this.#current;
      this.#current = undefined;
      this.#queue = this.#queue.filter((waiting) => waiting.index !== index);
      if (stop === "completed" || this.#queue.length > 0) chunks.push(...this.#next());
    }
    const reason = stopReason(stop, this.#collected.items());
    const usage = event.usage === undefined ? { output_tokens: 0 } : writeMessagesUsage(event.usage);
    const delta = { stop_reason: reason, stop_sequence: null };
    return [
      ...(this.#begun ? [] : [this.#start()]),
      ...chunks,
      formatSse("message_delta", JSON.stringify({ type: "message_delta", delta, usage })),
      formatSse("message_stop", '{"type":"message_stop"}'),
    ];
  }

  #open(block: Raw): string[] {
    const first = this.#begun ? [] : [this.#start()];
    this.#begun = true;
    this.#current!.open = true;
    const event = { type: "content_block_start", index: this.#nextBlock, content_block: block };
    return [...first, formatSse("content_block_start", JSON.stringify(event))];
  }

  #blockDelta(delta: string): string {
    return `event: content_block_delta\ndata: {"type":"content_block_delta","index":${this.#nextBlock},"delta":${delta}}\n\n`;
  }

  #close(): string[] {
    this.#current!.open = false;
    const event = { type: "content_block_stop", index: this.#nextBlock++ };
    return [formatSse("content_block_stop", JSON.stringify(event))];
  }

  #start(): string {
    return formatSse("message_start", JSON.stringify({ type: "message_start", message: this.#message([]) }));
  }

  #message(content: readonly Raw[]): Raw {
    return {
      id: this.#head.id,
      type: "message",
      role: "assistant",
      model: this.#head.model,
      content,
      stop_reason: null,
      stop_sequence: null,
      usage: NO_USAGE,
    };
  }

  #drop(item: Item, index: number): void {
    this.notes.push(droppedItem(item, index, "Messages has no such item"));
  }
}

const CALLS: ReadonlySet<string> = new Set(["function_call", "custom_tool_call", "tool_search_call"]);
const EMPTY_THINKING: Raw = { type: "thinking", thinking: "", signature: "" };
/** Nothing is known of it before the answer's end. */
const NO_USAGE = writeMessagesUsage({ input: 0, cacheRead: 0, cacheWrite: 0, output: 0, reasoning: 0 });

function stopReason(stop: AnswerStop, items: readonly Item[]): string {
  if (stop !== "completed") return STOPS[stop];
  if (items.some((item) => CALLS.has(item.type))) return "tool_use";
  const refused = items.some(
    (item) =>
      item.type === "message" &&
      Array.isArray(item.content) &&
      item.content.some(({ type }) => type === "refusal"),
  );
  return refused ? "refusal" : "end_turn";
}

/** The blocks of a whole item; `undefined` when Messages has none for it. */
function blocksOf(item: Item): Raw[] | undefined {
  if (CALLS.has(item.type)) return [callBlock(item, inputOf(item))];
  if (item.type === "reasoning") return reasoningBlocks(item);
  if (item.type !== "message") return undefined;
  const parts =
    typeof item.content === "string" ? [{ type: "output_text" as const, text: item.content }] : item.content;
  return parts
    .map((part) => (part.type === "refusal" ? part.refusal : "text" in part ? String(part.text) : ""))
    .filter((text) => text !== "")
    .map((text) => ({ type: "text", text }));
}

function reasoningBlocks(item: Item & { type: "reasoning" }): Raw[] {
  const sealed = item.encrypted_content;
  const seal = typeof sealed === "string" && sealed !== "" ? openSeal(sealed) : undefined;
  if (seal?.kind === "redacted") return [{ type: "redacted_thinking", data: seal.data }];
  const parts = item.summary.length > 0 ? item.summary : (item.content ?? []);
  const thinking = parts.map((part) => part.text).join("\n\n");
  const signature =
    seal === undefined ? "" : seal.kind === "thinking" ? seal.signature : foreignSignature(seal.data);
  return thinking === "" && signature === "" ? [] : [{ type: "thinking", thinking, signature }];
}

/** A namespace that the client did not declare can only be part of the name. */
function nameOf(item: Item): string {
  if (item.type === "tool_search_call") return "tool_search";
  const name = String(item["name"] ?? "");
  return typeof item["namespace"] === "string" ? `${item["namespace"]}__${name}` : name;
}

function callBlock(item: Item, input: Raw): Raw {
  return { type: "tool_use", id: item["call_id"], name: nameOf(item), input };
}

function inputOf(item: Item): Raw {
  if (item.type === "custom_tool_call") return { [CUSTOM_ARGUMENT]: item.input };
  const text = item["arguments"];
  if (typeof text !== "string") return (text ?? {}) as Raw;
  return parsedArguments(text) ?? { arguments: text };
}
