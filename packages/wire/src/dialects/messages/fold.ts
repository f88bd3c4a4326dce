/** Folds the events of a Messages stream into the hub's {@link ModelEvent}s. */

import type { Item, ModelEvent } from "@moho/protocol";
import type { UpstreamContext } from "../../errors/explain.ts";
import { parseJson, record, writeJson } from "../../framing/json.ts";
import type { SseEvent } from "../../framing/sse.ts";
import type { Raw } from "../fields.ts";
import { Folding, kept, type OpenCall, warning } from "../folding.ts";
import { sealRedacted, sealThinking } from "../sealed.ts";
import { parsedArguments, ToolNames } from "../tools.ts";
import { readMessagesUsage } from "./usage.ts";

type OpenBlock =
  | { kind: "text"; index: number; text: string }
  | { kind: "thinking"; index: number; text: string; signature: string }
  | { kind: "redacted"; index: number; data: string }
  | { kind: "call"; call: OpenCall }
  /** A block that only Anthropic's own tools write. */
  | { kind: "foreign" };

/**
 * One answer. `push` every event in order, then call `end` once the bytes have ended: together they yield exactly one
 * `completed` or `failed`, last; what comes after it is ignored. Never throws. A call is handed on when its block has
 * ended with arguments that parse; one without any waits until the server says that it was not cut off.
 */
export class MessagesFold {
  readonly #fold: Folding;
  readonly #blocks = new Map<number, OpenBlock>();
  #waiting: OpenCall[] = [];
  /** The report grows: the first event has the input, the last the output. */
  #usage: Raw = {};
  #stop: string | undefined;

  constructor(context: UpstreamContext, requestId?: string, names: ToolNames = new ToolNames()) {
    this.#fold = new Folding(context, requestId, names);
  }

  /** True once the last event was yielded. */
  get finished(): boolean {
    return this.#fold.finished;
  }

  push(event: SseEvent): ModelEvent[] {
    if (this.finished) return [];
    if (event.fault === "too_large") return this.#fold.broken("an event larger than this client accepts");
    const raw = parseJson(event.data);
    if (typeof raw === "object" && raw !== null) return this.read(raw as Raw, event.event);
    if (event.fault === "unterminated" || event.data === "" || event.data === "[DONE]") return [];
    return this.#fold.broken(`an event that is not JSON: ${event.data.slice(0, 100)}`);
  }

  /** One parsed event, for streams that are framed otherwise. */
  read(raw: Raw, name = ""): ModelEvent[] {
    if (this.finished) return [];
    const index = typeof raw["index"] === "number" ? raw["index"] : 0;
    switch (typeof raw["type"] === "string" ? raw["type"] : name) {
      case "message_start":
        return this.#begun(record(raw["message"]));
      case "content_block_start":
        return this.#started(index, record(raw["content_block"]));
      case "content_block_delta":
        return this.#delta(index, record(raw["delta"]));
      case "content_block_stop":
        return this.#stopped(index);
      case "message_delta":
        return this.#ending(raw);
      case "message_stop":
        return this.#stop === undefined ? this.#fold.interrupted(undefined) : this.#terminal();
      case "error":
        return this.#fold.failedOrKept(raw, this.#stop !== undefined && !CUT_OFF.has(this.#stop));
      default:
        return [];
    }
  }

  /** The bytes have ended; `cause` says why when it was not a clean end. */
  end(cause?: unknown): ModelEvent[] {
    if (this.finished) return [];
    if (this.#stop === undefined) return this.#fold.interrupted(cause);
    const events = this.#terminal();
    const last = events.at(-1);
    if (cause === undefined || last?.type !== "completed") return events;
    return [kept(cause instanceof Error ? cause.message : String(cause)), ...events];
  }

  #begun(message: Raw): ModelEvent[] {
    if (typeof message["id"] === "string") this.#fold.responseId ??= message["id"];
    this.#report(message["usage"]);
    return [];
  }

  #report(usage: unknown): void {
    const known = Object.entries(record(usage)).filter(([, value]) => value !== null && value !== undefined);
    this.#usage = { ...this.#usage, ...Object.fromEntries(known) };
    this.#fold.report(readMessagesUsage(this.#usage));
  }

  #started(index: number, block: Raw): ModelEvent[] {
    const events: ModelEvent[] = [];
    switch (block["type"]) {
      case "text": {
        const started = this.#fold.start(textItem("", "in_progress"));
        events.push(started);
        this.#blocks.set(index, { kind: "text", index: started.index, text: "" });
        break;
      }
      case "thinking": {
        const started = this.#fold.start({ type: "reasoning", summary: [] });
        events.push(started);
        this.#blocks.set(index, { kind: "thinking", index: started.index, text: "", signature: "" });
        break;
      }
      case "redacted_thinking": {
        const started = this.#fold.start({ type: "reasoning", summary: [] });
        events.push(started);
        const data = typeof block["data"] === "string" ? block["data"] : "";
        this.#blocks.set(index, { kind: "redacted", index: started.index, data });
        break;
      }
      case "tool_use": {
        const { id, name } = block;
        if (typeof name !== "string" || name === "") return this.#fold.broken("a tool call without a name");
        const call = this.#fold.startCall(name, typeof id === "string" ? id : "", events);
        this.#blocks.set(index, { kind: "call", call });
        break;
      }
      default:
        this.#blocks.set(index, { kind: "foreign" });
        return [
          warning(
            `A block of type \`${String(block["type"])}\` was dropped: other dialects have no such thing.`,
          ),
        ];
    }
    return [...events, ...this.#delta(index, wholeBlock(block))];
  }

  #delta(index: number, delta: Raw): ModelEvent[] {
    const block = this.#blocks.get(index);
    if (block === undefined) return [];
    const { text, thinking, signature, partial_json: json } = delta;
    const events: ModelEvent[] = [];
    if (block.kind === "text" && typeof text === "string" && text !== "") {
      block.text += text;
      events.push({ type: "text.delta", index: block.index, delta: text });
    } else if (block.kind === "thinking") {
      if (typeof thinking === "string" && thinking !== "") {
        block.text += thinking;
        events.push({ type: "reasoning.delta", index: block.index, delta: thinking });
      }
      if (typeof signature === "string") block.signature += signature;
    } else if (block.kind === "call" && typeof json === "string")
      this.#fold.growCall(block.call, json, events);
    return events;
  }

  #stopped(index: number): ModelEvent[] {
    const block = this.#blocks.get(index);
    this.#blocks.delete(index);
    switch (block?.kind) {
      case "text":
        // An empty block is one that the dialect itself would not take back.
        return [this.#fold.done(block.index, textItem(block.text, "completed"))];
      case "thinking":
        return [this.#fold.done(block.index, thinkingItem(block.text, block.signature))];
      case "redacted":
        return [
          this.#fold.done(block.index, {
            type: "reasoning",
            summary: [],
            encrypted_content: sealRedacted(block.data),
          }),
        ];
      case "call":
        return this.#stoppedCall(block.call);
      default:
        return [];
    }
  }

  /** When the limit of output cuts a call off, its block ends all the same: only its arguments tell. */
  #stoppedCall(call: OpenCall): ModelEvent[] {
    if (call.arguments.trim() === "" || parsedArguments(call.arguments) === undefined) {
      this.#waiting.push(call);
      return [];
    }
    return this.#fold.doneCall(call);
  }

  #ending(raw: Raw): ModelEvent[] {
    this.#report(raw["usage"]);
    const stop = record(raw["delta"])["stop_reason"];
    if (typeof stop !== "string") return [];
    this.#stop = stop;
    const waiting = CUT_OFF.has(stop) ? [] : this.#waiting;
    this.#waiting = [];
    return waiting.flatMap((call) => this.#fold.doneCall(call));
  }

  #terminal(): ModelEvent[] {
    if (this.#stop === "refusal") return this.#fold.filtered();
    if (CUT_OFF.has(this.#stop!)) return this.#fold.outputLimit();
    if ([...this.#blocks.values()].some(({ kind }) => kind !== "foreign"))
      return this.#fold.interrupted(undefined);
    return this.#fold.complete();
  }
}

/** Reasons after which what is open is not whole. */
const CUT_OFF: ReadonlySet<string> = new Set(["max_tokens", "model_context_window_exceeded", "refusal"]);

/** What a block already holds when it starts. Anthropic starts them empty; others do not. */
function wholeBlock(block: Raw): Raw {
  const { type, input } = block;
  if (type !== "tool_use") return block;
  const has = typeof input === "object" && input !== null && Object.keys(input).length > 0;
  return has ? { partial_json: writeJson(input) } : {};
}

function textItem(text: string, status: string): Item {
  const content = status === "in_progress" ? [] : [{ type: "output_text" as const, text, annotations: [] }];
  return { type: "message", role: "assistant", content, status };
}

function thinkingItem(text: string, signature: string): Item {
  return {
    type: "reasoning",
    summary: text === "" ? [] : [{ type: "summary_text", text }],
    ...(signature !== "" && { encrypted_content: sealThinking(signature) }),
  };
}
