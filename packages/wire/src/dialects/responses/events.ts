/**
 * Folds the events of a Responses stream into the hub's {@link ModelEvent}s.
 * Items are taken when they are whole; what the stream says last decides whether the answer holds.
 */

import { type Item, isToolCall, type ModelEvent, MohoError, type Usage } from "@moho/protocol";
import { explainStreamError, type UpstreamContext } from "../../errors/explain.ts";
import { parseJson, record } from "../../framing/json.ts";
import type { SseEvent } from "../../framing/sse.ts";
import { readResponsesUsage } from "./usage.ts";

type Raw = Readonly<Record<string, unknown>>;

/** Deltas by wire name. */
const DELTAS: ReadonlyMap<string, "text.delta" | "reasoning.delta" | "arguments.delta"> = new Map([
  ["response.output_text.delta", "text.delta"],
  ["response.refusal.delta", "text.delta"],
  ["response.reasoning_summary_text.delta", "reasoning.delta"],
  ["response.reasoning_text.delta", "reasoning.delta"],
  ["response.function_call_arguments.delta", "arguments.delta"],
  ["response.custom_tool_call_input.delta", "arguments.delta"],
]);

/** Events that repeat what others say, some of them long: when the sender names them they are not even parsed. */
const REPEATS: ReadonlySet<string> = new Set([
  "response.created",
  "response.in_progress",
  "response.queued",
  "response.content_part.added",
  "response.content_part.done",
  "response.output_text.done",
  "response.output_text.annotation.added",
  "response.refusal.done",
  "response.function_call_arguments.done",
  "response.custom_tool_call_input.done",
  "response.reasoning_part.added",
  "response.reasoning_part.done",
  "response.reasoning_text.done",
  "response.reasoning_summary_part.added",
  "response.reasoning_summary_part.done",
  "response.reasoning_summary_text.done",
]);

/**
 * One answer. `push` every event in order, then call `end` once the bytes have ended: together they yield exactly one
 * `completed` or `failed`, last; what comes after it is ignored. Never throws.
 *
 * - A tool call is handed on only when the server called it done: an unfinished one never becomes an `item.done`.
 * - A terminal failure after whole output keeps the answer: `warning`, then `completed` (need STREAM-1).
 * - A `failed` says in `details` how many items were handed on (`itemsDone`) and how many were cut (`itemsOpen`).
 */
export class ResponsesFold {
  readonly #context: UpstreamContext;
  readonly #requestId: string | undefined;
  readonly #open = new Map<number, Item>();
  readonly #calls = new Set<string>();
  #doneCount = 0;
  #lastDone: Item | undefined;
  #finished = false;

  constructor(context: UpstreamContext, requestId?: string) {
    this.#context = context;
    this.#requestId = requestId;
  }

  /** True once the last event was yielded. */
  get finished(): boolean {
    return this.#finished;
  }

  push(event: SseEvent): ModelEvent[] {
    if (this.#finished || REPEATS.has(event.event)) return [];
    if (event.fault === "too_large") return this.#broken("an event larger than this client accepts");
    const raw = parseJson(event.data);
    if (typeof raw !== "object" || raw === null) {
      if (event.fault === "unterminated") return [];
      if (event.data === "[DONE]" || event.data === "" || isForeign(event.event)) return [];
      return this.#broken(`an event that is not JSON: ${event.data.slice(0, 100)}`);
    }
    return this.#read(raw as Raw, event.event);
  }

  /** The bytes have ended; `cause` says why when it was not a clean end, and decides the error when it is one of ours. */
  end(cause?: unknown): ModelEvent[] {
    if (this.#finished) return [];
    if (cause instanceof MohoError) return this.#fail(cause);
    const open = this.#open.size === 0 ? "" : ` in the middle of ${describe([...this.#open.values()])}`;
    const problem = `${this.#context.endpoint} ended its stream${open} before the answer was complete.`;
    return this.#fail(new MohoError("stream_interrupted", problem, { cause }));
  }

  #read(raw: Raw, name: string): ModelEvent[] {
    const type = typeof raw["type"] === "string" ? raw["type"] : name;
    const index = typeof raw["output_index"] === "number" ? raw["output_index"] : 0;
    const delta = DELTAS.get(type);
    if (delta !== undefined) {
      return typeof raw["delta"] === "string" ? [{ type: delta, index, delta: raw["delta"] }] : [];
    }
    switch (type) {
      case "response.output_item.added":
        return this.#started(index, raw["item"]);
      case "response.output_item.done":
        return this.#done(index, raw["item"]);
      case "response.completed":
      case "response.incomplete":
      case "response.failed":
        return this.#terminal(type.slice("response.".length), record(raw["response"]));
      case "error":
        return this.#failedOrKept(
          explainStreamError(raw, this.#context, this.#requestId),
          undefined,
          undefined,
        );
      default:
        return [];
    }
  }

  #started(index: number, raw: unknown): ModelEvent[] {
    if (typeof record(raw)["type"] !== "string") return [];
    const item = withBlanks(raw as Item);
    this.#open.set(index, item);
    return [{ type: "item.started", index, item }];
  }

  #done(index: number, raw: unknown): ModelEvent[] {
    if (!isItem(raw) || !isWhole(raw)) return [];
    this.#open.delete(index);
    if (isToolCall(raw)) {
      // The same call twice must not run twice.
      if (this.#calls.has(raw.call_id)) return [];
      this.#calls.add(raw.call_id);
    }
    this.#doneCount++;
    this.#lastDone = raw;
    return [{ type: "item.done", index, item: raw }];
  }

  #terminal(type: string, response: Raw): ModelEvent[] {
    const status = typeof response["status"] === "string" ? response["status"] : type;
    const reading = readResponsesUsage(response["usage"]);
    const notes: ModelEvent[] =
      reading?.contradiction === undefined
        ? []
        : [
            {
              type: "warning",
              message: `The reported token usage contradicts itself: ${reading.contradiction}.`,
            },
          ];
    const usage = reading?.usage;
    if (type === "failed" || status === "failed" || status === "cancelled") {
      const error = explainStreamError(response["error"], this.#context, this.#requestId);
      return [...notes, ...this.#failedOrKept(error, usage, response["id"])];
    }
    if (type === "incomplete" || status === "incomplete") {
      return [...notes, ...this.#fail(this.#incomplete(record(response["incomplete_details"])), usage)];
    }
    return [...notes, ...this.#completed(response, usage)];
  }

  #completed(response: Raw, usage: Usage | undefined): ModelEvent[] {
    const events = this.#late(response["output"]);
    const calls = [...this.#open.values()].filter(isToolCall);
    if (calls.length > 0) {
      const problem = `${this.#context.endpoint} declared the answer complete, but not ${describe(calls)}.`;
      return [...events, ...this.#fail(new MohoError("stream_interrupted", problem), usage)];
    }
    if (this.#open.size > 0) {
      const cut = describe([...this.#open.values()]);
      events.push({ type: "warning", message: `The answer ended without finishing ${cut}; it was dropped.` });
    }
    return [...events, ...this.#complete(response["id"], usage)];
  }

  /**
   * Items that stand only in the completed response. Tool calls are told apart by `call_id`; other items have no
   * identity that all servers keep, so they are taken only when no item was handed on before.
   */
  #late(output: unknown): ModelEvent[] {
    if (!Array.isArray(output) || output.length <= this.#doneCount) return [];
    const none = this.#doneCount === 0;
    const events: ModelEvent[] = [];
    for (const [index, item] of output.entries()) {
      if (isItem(item) && (none || isToolCall(item))) events.push(...this.#done(index, item));
    }
    return events;
  }

  #incomplete(details: Raw): MohoError {
    const reason = String(details["reason"] ?? "no reason given").slice(0, 200);
    if (reason === "max_output_tokens") {
      const problem = "The model reached its limit of output tokens before the answer was complete.";
      return new MohoError("output_limit", problem);
    }
    if (reason === "content_filter") {
      return new MohoError("content_filtered", "The provider's content filter stopped the answer.");
    }
    return new MohoError(
      "upstream_error",
      `${this.#context.endpoint} left the answer incomplete: ${reason}.`,
    );
  }

  /** The answer stands when nothing is open and it ends in something to act on: a tool call or a final message. */
  #failedOrKept(error: MohoError, usage: Usage | undefined, responseId: unknown): ModelEvent[] {
    const last = this.#lastDone;
    const final =
      last !== undefined && (isToolCall(last) || (last.type === "message" && last["phase"] !== "commentary"));
    if (this.#open.size > 0 || !final) return this.#fail(error, usage);
    return [
      {
        type: "warning",
        message: `The answer was complete when the server reported a failure, and is kept. ${error.message}`,
      },
      ...this.#complete(responseId, usage),
    ];
  }

  #complete(responseId: unknown, usage: Usage | undefined): ModelEvent[] {
    this.#finished = true;
    const id = typeof responseId === "string" ? responseId : undefined;
    return [{ type: "completed", responseId: id, requestId: this.#requestId, usage }];
  }

  #broken(what: string): ModelEvent[] {
    return this.#fail(new MohoError("upstream_error", `${this.#context.endpoint} sent ${what}`));
  }

  #fail(error: MohoError, usage?: Usage): ModelEvent[] {
    this.#finished = true;
    const requestId = error.requestId ?? this.#requestId;
    const failure = new MohoError(error.code, error.message, {
      cause: error.cause,
      next: error.next,
      details: { ...error.details, itemsDone: this.#doneCount, itemsOpen: this.#open.size },
      ...(requestId !== undefined && { requestId }),
      ...(error.retryAfter !== undefined && { retryAfter: error.retryAfter }),
    });
    return [{ type: "failed", error: failure, usage }];
  }
}

/** A keep-alive or other event that this dialect does not have. */
function isForeign(name: string): boolean {
  return name !== "" && name !== "error" && !name.startsWith("response.");
}

/** Servers may announce a call before they know its fields. */
function withBlanks(item: Item): Item {
  if (item.type === "function_call") return { ...item, ...blanks(item, "call_id", "name", "arguments") };
  if (item.type === "custom_tool_call") return { ...item, ...blanks(item, "call_id", "name", "input") };
  return item;
}

function blanks(item: Item, ...keys: string[]): Record<string, string> {
  return Object.fromEntries(keys.filter((key) => typeof item[key] !== "string").map((key) => [key, ""]));
}

function isItem(raw: unknown): raw is Item {
  const { type, role, content } = record(raw);
  if (type === "message")
    return typeof role === "string" && (typeof content === "string" || Array.isArray(content));
  if (type === "function_call") return hasStrings(raw, "call_id", "name", "arguments");
  if (type === "custom_tool_call") return hasStrings(raw, "call_id", "name", "input");
  return typeof type === "string";
}

function hasStrings(raw: unknown, ...keys: string[]): boolean {
  const members = record(raw);
  return keys.every((key) => typeof members[key] === "string");
}

/** Servers mark an item that was cut off `incomplete`, and some leave a tool call `in_progress`. */
function isWhole(item: Item): boolean {
  const status = item["status"];
  if (status === "incomplete") return false;
  return !isToolCall(item) || status === undefined || status === null || status === "completed";
}

function describe(items: readonly Item[]): string {
  return items
    .map((item) =>
      isToolCall(item) ? `the call of \`${item.name}\`` : `a ${item.type.replaceAll("_", " ")}`,
    )
    .join(" and ");
}
