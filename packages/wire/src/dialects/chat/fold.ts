/** Folds the chunks of a Chat Completions stream into the hub's {@link ModelEvent}s. */

import { type Item, type ModelEvent, MohoError } from "@moho/protocol";
import type { UpstreamContext } from "../../errors/explain.ts";
import { parseJson, record, writeJson } from "../../framing/json.ts";
import type { SseEvent } from "../../framing/sse.ts";
import type { Raw } from "../fields.ts";
import { Folding, kept, type OpenCall } from "../folding.ts";
import { ToolNames } from "../tools.ts";
import { ReasoningTags } from "./reasoning-tags.ts";
import { readChatUsage } from "./usage.ts";

type Prose = "text" | "refusal" | "reasoning";

export interface ChatFoldOptions {
  /** The endpoint writes reasoning into the text, between `<reasoning>` and `</reasoning>` (aws-wire §4.5). */
  reasoningTags?: boolean;
}

/**
 * One answer. `push` every event in order, then call `end` once the bytes have ended: together they yield exactly one
 * `completed` or `failed`, last; what comes after it is ignored. Never throws. Calls are handed on once the server said
 * how the answer finished; when it was cut off they never are.
 */
export class ChatFold {
  readonly #fold: Folding;
  readonly #tags: ReasoningTags | undefined;
  #prose: { kind: Prose; index: number; text: string } | undefined;
  /** By the server's index, in the order in which they began. */
  readonly #calls = new Map<unknown, PendingCall>();
  #sawProse = false;
  #finish: string | undefined;

  constructor(
    context: UpstreamContext,
    requestId?: string,
    names: ToolNames = new ToolNames(),
    options: ChatFoldOptions = {},
  ) {
    this.#fold = new Folding(context, requestId, names);
    this.#tags = options.reasoningTags === true ? new ReasoningTags() : undefined;
  }

  /** True once the last event was yielded. */
  get finished(): boolean {
    return this.#fold.finished;
  }

  push(event: SseEvent): ModelEvent[] {
    if (this.finished) return [];
    if (event.fault === "too_large") return this.#fold.broken("an event larger than this client accepts");
    if (event.data === "[DONE]") return this.#declaredDone();
    const raw = parseJson(event.data);
    if (typeof raw === "object" && raw !== null) {
      return event.event === "error" ? this.#failed(raw as Raw) : this.read(raw as Raw);
    }
    if (event.fault === "unterminated" || event.data === "") return [];
    return this.#fold.broken(`an event that is not JSON: ${event.data.slice(0, 100)}`);
  }

  /** One parsed chunk, for streams that are framed otherwise. A whole `chat.completion` is a stream of one chunk. */
  read(chunk: Raw): ModelEvent[] {
    if (this.finished) return [];
    if (chunk["error"] !== undefined && chunk["error"] !== null) return this.#failed(chunk);
    if (typeof chunk["id"] === "string" && chunk["id"] !== "") this.#fold.responseId ??= chunk["id"];
    this.#fold.report(readChatUsage(chunk["usage"]));
    const choice = record(Array.isArray(chunk["choices"]) ? chunk["choices"][0] : undefined);
    if (this.#finish !== undefined) return [];
    const events: ModelEvent[] = [];
    this.#delta(record(choice["delta"] ?? choice["message"]), events);
    const finish = choice["finish_reason"];
    if (typeof finish === "string" && finish !== "") this.#finished(finish, events);
    return events;
  }

  /** The bytes have ended; `cause` says why when it was not a clean end. */
  end(cause?: unknown): ModelEvent[] {
    if (this.finished) return [];
    if (this.#finish === undefined) return this.#fold.interrupted(cause);
    const events = this.#terminal();
    const last = events.at(-1);
    if (cause === undefined || last?.type !== "completed") return events;
    return [kept(cause instanceof Error ? cause.message : String(cause)), ...events];
  }

  #failed(raw: Raw): ModelEvent[] {
    return this.#fold.failedOrKept(raw, this.#finish !== undefined && !CUT_OFF.has(this.#finish));
  }

  #delta(delta: Raw, events: ModelEvent[]): void {
    const reasoning = delta["reasoning"] ?? delta["reasoning_content"];
    if (typeof reasoning === "string") this.#write("reasoning", reasoning, events);
    const content = textOf(delta["content"]);
    if (this.#tags === undefined) this.#write("text", content, events);
    else for (const { kind, text } of this.#tags.push(content)) this.#write(kind, text, events);
    if (typeof delta["refusal"] === "string") this.#write("refusal", delta["refusal"], events);
    const calls = Array.isArray(delta["tool_calls"]) ? delta["tool_calls"] : [];
    for (const [position, call] of calls.entries()) this.#call(record(call), position, events);
  }

  #write(kind: Prose, text: string, events: ModelEvent[]): void {
    if (text === "") return;
    if (this.#prose?.kind !== kind) {
      this.#closeProse(events);
      const started = this.#fold.start(blankProse(kind));
      events.push(started);
      this.#prose = { kind, index: started.index, text: "" };
      this.#sawProse = true;
    }
    this.#prose.text += text;
    const type = kind === "reasoning" ? "reasoning.delta" : "text.delta";
    events.push({ type, index: this.#prose.index, delta: text });
  }

  #closeProse(events: ModelEvent[]): void {
    if (this.#prose === undefined) return;
    events.push(this.#fold.done(this.#prose.index, proseItem(this.#prose.kind, this.#prose.text)));
    this.#prose = undefined;
  }

  /** One entry of `tool_calls`: the first of a call has its name, further ones more of its arguments. */
  #call(raw: Raw, position: number, events: ModelEvent[]): void {
    const spec = record(raw["function"]);
    const id = typeof raw["id"] === "string" ? raw["id"] : "";
    const key = typeof raw["index"] === "number" ? raw["index"] : id === "" ? `at ${position}` : id;
    let call = this.#calls.get(key);
    if (call === undefined) {
      this.#closeProse(events);
      call = { id, waiting: "", open: undefined };
      this.#calls.set(key, call);
    }
    const text = argumentText(spec["arguments"]);
    if (call.open === undefined) {
      call.id ||= id;
      call.waiting += text;
      if (typeof spec["name"] !== "string" || spec["name"] === "") return;
      call.open = this.#fold.startCall(spec["name"], call.id, events);
      this.#fold.growCall(call.open, call.waiting, events);
    } else this.#fold.growCall(call.open, text, events);
  }

  /** How the answer finished is known; usage may still follow. */
  #finished(reason: string, events: ModelEvent[]): void {
    this.#finish = reason;
    if (CUT_OFF.has(reason)) return;
    for (const { kind, text } of this.#tags?.end() ?? []) this.#write(kind, text, events);
    this.#closeProse(events);
    for (const { open } of this.#calls.values())
      if (open !== undefined) events.push(...this.#fold.doneCall(open));
  }

  #declaredDone(): ModelEvent[] {
    if (this.#finish !== undefined) return this.#terminal();
    // Some servers never say how a text finished; a call without that word may be cut off.
    if (this.#calls.size > 0 || !this.#sawProse) return this.#fold.interrupted(undefined);
    const events: ModelEvent[] = [];
    this.#finished("stop", events);
    return [...events, ...this.#terminal()];
  }

  #terminal(): ModelEvent[] {
    if (this.#finish === "content_filter") return this.#fold.filtered();
    if (this.#finish === "error") {
      return this.#fold.fail(
        new MohoError(
          "upstream_error",
          `${this.#fold.context.endpoint} stopped with an error that it did not name.`,
        ),
      );
    }
    if (CUT_OFF.has(this.#finish!)) return this.#fold.outputLimit();
    for (const { open } of this.#calls.values()) {
      if (open === undefined) return this.#fold.broken("a tool call without a name");
    }
    return this.#fold.complete();
  }
}

interface PendingCall {
  id: string;
  /** Arguments that came before the name. */
  waiting: string;
  open: OpenCall | undefined;
}

/** Reasons after which what is open is not whole. `model_length` is Mistral's. */
const CUT_OFF: ReadonlySet<string> = new Set(["length", "model_length", "content_filter", "error"]);

/** Some servers send content as a list of parts. */
function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content
    .map((part) => (typeof record(part)["text"] === "string" ? record(part)["text"] : ""))
    .join("");
}

function argumentText(raw: unknown): string {
  if (typeof raw === "string") return raw;
  return typeof raw === "object" && raw !== null ? (writeJson(raw) ?? "") : "";
}

/** The item as it is announced: what kind of text it holds can be told from its one empty part. */
function blankProse(kind: Prose): Item {
  if (kind === "reasoning") return { type: "reasoning", summary: [], content: [] };
  const content = kind === "refusal" ? [{ type: "refusal" as const, refusal: "" }] : [];
  return { type: "message", role: "assistant", content, status: "in_progress" };
}

function proseItem(kind: Prose, text: string): Item {
  if (kind === "reasoning")
    return { type: "reasoning", summary: [], content: [{ type: "reasoning_text", text }] };
  const part =
    kind === "refusal"
      ? { type: "refusal" as const, refusal: text }
      : { type: "output_text" as const, text, annotations: [] };
  return { type: "message", role: "assistant", content: [part], status: "completed" };
}
