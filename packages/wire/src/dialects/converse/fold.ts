/**
 * Folds the messages of a ConverseStream into the hub's {@link ModelEvent}s (aws-wire §4.4).
 * Converse numbers content blocks; the hub numbers items, one a block.
 */

import { type Item, type ModelEvent, MohoError } from "@moho/protocol";
import { explainStreamError, type UpstreamContext } from "../../errors/explain.ts";
import type { EventMessage } from "../../framing/event-stream.ts";
import { parseJson, record } from "../../framing/json.ts";
import type { Raw } from "../fields.ts";
import { Folding, kept, type OpenCall, warning } from "../folding.ts";
import { sealRedacted, sealThinking } from "../sealed.ts";
import { parsedArguments, ToolNames } from "../tools.ts";
import { readConverseUsage } from "./usage.ts";

/** A content block that has not ended. */
type Block = Text | Reasoning | { kind: "call"; call: OpenCall };
interface Text {
  kind: "message";
  index: number;
  text: string;
}
interface Reasoning {
  kind: "reasoning";
  index: number;
  text: string;
  signature: string;
  redacted: string | undefined;
}

/**
 * One answer. `push` every message in order, then call `end` once the bytes have ended: together they yield exactly one
 * `completed` or `failed`, last; what comes after it is ignored. Never throws.
 *
 * - A call is handed on when its block has ended and its input is a JSON object; one whose input is not is handed on only
 *   when the model itself said that it wants to call (`tool_use`), so that the model hears what was wrong with it.
 * - After `messageStop` the answer holds: a failure then is a `warning`, and the usage stays unknown (need STREAM-1).
 */
export class ConverseFold {
  readonly #fold: Folding;
  /** By the wire's content block index. */
  readonly #open = new Map<number, Block>();
  /** Calls whose block ended with input that is not a JSON object. */
  #odd: OpenCall[] = [];
  #stopReason: string | undefined;

  /** `names` is what the request's translation returned; without it calls keep the names of the wire. */
  constructor(context: UpstreamContext, requestId?: string, names: ToolNames = new ToolNames()) {
    this.#fold = new Folding(context, requestId, names);
  }

  /** True once the last event was yielded. */
  get finished(): boolean {
    return this.#fold.finished;
  }

  push(message: EventMessage): ModelEvent[] {
    if (this.finished || message.fault === "unterminated") return [];
    if (message.fault === "corrupt") return this.#broken("an event stream whose checksum is wrong");
    if (message.fault === "too_large") return this.#broken("an event larger than this client accepts");
    const { headers } = message;
    const raw = parseJson(message.payload.toString("utf8"));
    if (headers.get(":message-type") === "event") {
      const type = headers.get(":event-type") ?? "";
      if (typeof raw === "object" && raw !== null) return this.#event(type, record(raw));
      return KNOWN.has(type) ? this.#broken(`a \`${type}\` event that is not JSON`) : [];
    }
    return this.#exception(headers, record(raw));
  }

  /** The bytes have ended; `cause` says why when it was not a clean end, and decides the error when it is one of ours. */
  end(cause?: unknown): ModelEvent[] {
    if (this.finished) return [];
    return this.#stopReason === undefined ? this.#fold.interrupted(cause) : this.#last();
  }

  #event(type: string, raw: Raw): ModelEvent[] {
    const at = typeof raw["contentBlockIndex"] === "number" ? raw["contentBlockIndex"] : 0;
    const events: ModelEvent[] = [];
    switch (type) {
      case "contentBlockDelta":
        this.#delta(at, record(raw["delta"]), events);
        break;
      case "contentBlockStart":
        this.#start(at, record(raw["start"]), events);
        break;
      case "contentBlockStop":
        this.#stop(at, events);
        break;
      case "messageStop":
        this.#messageStop(raw["stopReason"], events);
        break;
      case "metadata":
        this.#fold.report(readConverseUsage(raw["usage"]));
        if (this.#stopReason !== undefined) events.push(...this.#last());
    }
    return events;
  }

  #start(at: number, start: Raw, events: ModelEvent[]): void {
    const { toolUseId, name, type } = record(start["toolUse"]);
    // A call that the provider runs itself has a type and is none of the client's.
    if (typeof toolUseId !== "string" || typeof name !== "string" || typeof type === "string") return;
    this.#stop(at, events);
    this.#open.set(at, { kind: "call", call: this.#fold.startCall(name, toolUseId, events) });
  }

  #delta(at: number, delta: Raw, events: ModelEvent[]): void {
    const { text, toolUse, reasoningContent } = delta;
    const input = record(toolUse)["input"];
    if (typeof text === "string") this.#text(this.#block(at, newText, events), text, events);
    else if (typeof input === "string") {
      const block = this.#open.get(at);
      if (block?.kind === "call") this.#fold.growCall(block.call, input, events);
    } else if (typeof reasoningContent === "object" && reasoningContent !== null) {
      this.#reasoning(this.#block(at, newReasoning, events), record(reasoningContent), events);
    }
  }

  #text(block: Text, delta: string, events: ModelEvent[]): void {
    if (delta === "") return;
    block.text += delta;
    events.push({ type: "text.delta", index: block.index, delta });
  }

  #reasoning(block: Reasoning, delta: Raw, events: ModelEvent[]): void {
    const { text, signature, redactedContent } = delta;
    if (typeof text === "string" && text !== "") {
      block.text += text;
      events.push({ type: "reasoning.delta", index: block.index, delta: text });
    }
    if (typeof signature === "string") block.signature += signature;
    if (typeof redactedContent === "string") block.redacted = (block.redacted ?? "") + redactedContent;
  }

  /** The open block at this place; one of another kind there has ended without saying so. */
  #block<B extends Text | Reasoning>(
    at: number,
    create: { item: Item; block: (index: number) => B },
    events: ModelEvent[],
  ): B {
    const open = this.#open.get(at);
    if (open?.kind === create.item.type) return open as B;
    this.#stop(at, events);
    const started = this.#fold.start(create.item);
    events.push(started);
    const block = create.block(started.index);
    this.#open.set(at, block);
    return block;
  }

  #stop(at: number, events: ModelEvent[]): void {
    const block = this.#open.get(at);
    if (block === undefined) return;
    this.#open.delete(at);
    if (block.kind !== "call") events.push(this.#fold.done(block.index, itemOf(block)));
    else if (parsedArguments(block.call.arguments) === undefined) this.#odd.push(block.call);
    else events.push(...this.#fold.doneCall(block.call));
  }

  /** Some models leave their last text block open; a call that is open has been cut off. */
  #messageStop(reason: unknown, events: ModelEvent[]): void {
    if (this.#stopReason !== undefined) return;
    this.#stopReason = typeof reason === "string" ? reason : "end_turn";
    for (const [at, block] of [...this.#open]) if (block.kind !== "call") this.#stop(at, events);
    if (this.#stopReason === "tool_use") {
      for (const call of this.#odd) events.push(...this.#fold.doneCall(call));
      this.#odd = [];
    }
    if (this.#fold.usage !== undefined) events.push(...this.#last());
  }

  /** What `messageStop` said decides. */
  #last(): ModelEvent[] {
    const failure = STOPS.get(this.#stopReason!);
    if (failure !== undefined) return this.#fold.fail(new MohoError(failure.code, failure.message));
    if (this.#open.size + this.#odd.length > 0) {
      const problem = `${this.#fold.context.endpoint} declared the answer complete in the middle of a tool call.`;
      return this.#fold.fail(new MohoError("stream_interrupted", problem));
    }
    if (this.#fold.usage !== undefined) return this.#fold.complete();
    const message = `${this.#fold.context.endpoint} ended its stream without the metadata event: the usage is not known.`;
    return [warning(message), ...this.#fold.complete()];
  }

  /** Before `messageStop` an answer is not whole, whatever has ended; behind it a failure comes too late to matter. */
  #exception(headers: ReadonlyMap<string, string>, raw: Raw): ModelEvent[] {
    const code = headers.get(":exception-type") ?? headers.get(":error-code") ?? "unknown error";
    const message = raw["message"] ?? headers.get(":error-message") ?? "";
    if (this.#stopReason === undefined) {
      return this.#fold.fail(explainStreamError({ code, message }, this.#fold.context));
    }
    return [kept(`${code}: ${String(message).slice(0, 200)}`), ...this.#last()];
  }

  #broken(what: string): ModelEvent[] {
    if (this.#stopReason === undefined) return this.#fold.broken(`${what}.`);
    return [kept(`It sent ${what}.`), ...this.#last()];
  }
}

const newText = {
  item: { type: "message", role: "assistant", content: [] } as Item,
  block: (index: number): Text => ({ kind: "message", index, text: "" }),
};
const newReasoning = {
  item: { type: "reasoning", summary: [] } as Item,
  block: (index: number): Reasoning => ({
    kind: "reasoning",
    index,
    text: "",
    signature: "",
    redacted: undefined,
  }),
};

const KNOWN: ReadonlySet<string> = new Set([
  "messageStart",
  "contentBlockStart",
  "contentBlockDelta",
  "contentBlockStop",
  "messageStop",
  "metadata",
]);

type Stop = {
  code: "output_limit" | "content_filtered" | "context_overflow" | "upstream_error";
  message: string;
};

const FILTERED = "content_filtered";
const MALFORMED = "The model wrote something that the provider could not read:";

/** The stop reasons that are no end of an answer. */
const STOPS: ReadonlyMap<string, Stop> = new Map([
  [
    "max_tokens",
    {
      code: "output_limit",
      message: "The model reached its limit of output tokens before the answer was complete.",
    },
  ],
  ["guardrail_intervened", { code: FILTERED, message: "A Bedrock guardrail stopped the answer." }],
  ["content_filtered", { code: FILTERED, message: "The provider's content filter stopped the answer." }],
  [
    "model_context_window_exceeded",
    {
      code: "context_overflow",
      message: "The model's context window was full before the answer was complete.",
    },
  ],
  ["malformed_model_output", { code: "upstream_error", message: `${MALFORMED} malformed_model_output.` }],
  ["malformed_tool_use", { code: "upstream_error", message: `${MALFORMED} malformed_tool_use.` }],
] as const satisfies readonly (readonly [string, Stop])[]);

function itemOf(block: Text | Reasoning): Item {
  const { text } = block;
  if (block.kind === "message") {
    return { type: "message", role: "assistant", content: [{ type: "output_text", text, annotations: [] }] };
  }
  const { signature, redacted } = block;
  const silent = text === "" && signature === "";
  const sealed = redacted !== undefined ? sealRedacted(redacted) : sealThinking(signature);
  return {
    type: "reasoning",
    summary: silent ? [] : [{ type: "summary_text", text }],
    ...((redacted !== undefined || signature !== "") && { encrypted_content: sealed }),
  };
}
