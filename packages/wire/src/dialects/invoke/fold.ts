/** Folds the messages of an InvokeModelWithResponseStream into the hub's {@link ModelEvent}s, through the inner dialect's fold. */

import { type ModelEvent, MohoError } from "@moho/protocol";
import { explainStreamError, type UpstreamContext } from "../../errors/explain.ts";
import type { EventMessage } from "../../framing/event-stream.ts";
import { parseJson, record } from "../../framing/json.ts";
import { ChatFold } from "../chat/fold.ts";
import { MessagesFold } from "../messages/fold.ts";
import type { ToolNames } from "../tools.ts";
import { innerJson } from "./chunk.ts";
import type { NativeFamily } from "./native.ts";

/**
 * One answer. `push` every message in order, then call `end` once the bytes have ended: together they yield exactly one
 * `completed` or `failed`, last; what comes after it is ignored. Never throws. OpenAI's models write their reasoning
 * into the text there, between `<reasoning>` tags; it becomes reasoning items.
 */
export class InvokeFold {
  readonly #inner: ChatFold | MessagesFold;
  readonly #context: UpstreamContext;
  readonly #requestId: string | undefined;

  constructor(family: NativeFamily, context: UpstreamContext, requestId?: string, names?: ToolNames) {
    this.#context = context;
    this.#requestId = requestId;
    this.#inner =
      family === "openai"
        ? new ChatFold(context, requestId, names, { reasoningTags: true })
        : new MessagesFold(context, requestId, names);
  }

  /** True once the last event was yielded. */
  get finished(): boolean {
    return this.#inner.finished;
  }

  push(message: EventMessage): ModelEvent[] {
    if (this.finished || message.fault === "unterminated") return [];
    if (message.fault !== undefined) return this.#broken(`an event stream that is ${message.fault}`);
    const { headers, payload } = message;
    if (headers.get(":message-type") !== "event") {
      const code = headers.get(":exception-type") ?? headers.get(":error-code") ?? "unknown error";
      const words = record(parseJson(payload.toString("utf8")))["message"] ?? headers.get(":error-message");
      return this.#inner.end(
        explainStreamError({ code, message: words ?? "" }, this.#context, this.#requestId),
      );
    }
    const json = innerJson(message);
    if (json === undefined) return [];
    const raw = parseJson(json);
    if (typeof raw === "object" && raw !== null) return this.#inner.read(record(raw));
    return this.#broken("a chunk that is not JSON");
  }

  /** The bytes have ended; `cause` says why when it was not a clean end. */
  end(cause?: unknown): ModelEvent[] {
    return this.#inner.end(cause);
  }

  #broken(what: string): ModelEvent[] {
    return this.#inner.end(new MohoError("upstream_error", `${this.#context.endpoint} sent ${what}.`));
  }
}
