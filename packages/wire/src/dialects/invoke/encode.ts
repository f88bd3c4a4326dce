/** Writes an answer as InvokeModel bodies and `chunk` events in the model's own dialect (aws-wire §4.4 to §4.6). */

import { Buffer } from "node:buffer";
import { type Item, type ModelEvent, NO_USAGE, textOf, type Usage } from "@moho/protocol";
import { awsStreamException } from "../../errors/render.ts";
import { EventStreamEncoder } from "../../framing/event-stream.ts";
import { SseParser } from "../../framing/sse.ts";
import { type AnswerHead, stopOf } from "../answer.ts";
import { ChatEncoder } from "../chat/encode.ts";
import { MessagesEncoder } from "../messages/encode.ts";
import type { Note } from "../notes.ts";
import { chunkPayload, withMetrics } from "./chunk.ts";
import type { NativeFamily } from "./native.ts";

export interface InvokeEncoderOptions {
  /** Milliseconds since the call began. */
  elapsedMs: () => number;
}

/**
 * One answer: `push` every hub event and send the bytes it returns. The last chunk carries the invocation metrics; a
 * failure that is no end of an answer is an exception that the AWS SDKs throw under its name.
 */
export class InvokeEncoder {
  readonly #inner: ChatEncoder | MessagesEncoder;
  readonly #elapsedMs: () => number;
  readonly #frames = new EventStreamEncoder();
  readonly #tags: ReasoningAsText | undefined;
  readonly #sse = new SseParser();
  #firstByteMs: number | undefined;
  #finished = false;

  constructor(family: NativeFamily, head: AnswerHead, options: InvokeEncoderOptions) {
    this.#elapsedMs = options.elapsedMs;
    this.#inner = family === "openai" ? new ChatEncoder(head) : new MessagesEncoder(head);
    this.#tags = family === "openai" ? new ReasoningAsText() : undefined;
  }

  get finished(): boolean {
    return this.#finished;
  }

  /** What the dialect could not be told. */
  get notes(): readonly Note[] {
    return this.#inner.notes;
  }

  push(event: ModelEvent): Uint8Array[] {
    if (this.#finished) return [];
    const ends = event.type === "completed" || event.type === "failed";
    this.#finished = ends;
    const shown = this.#tags?.push(event) ?? [event];
    const inner = shown.flatMap((one) => this.#texts(one));
    if (event.type === "failed" && stopOf(event) === undefined) {
      const { type, message } = awsStreamException(event.error);
      return [this.#frames.exception(type, JSON.stringify({ message }))];
    }
    if (inner.length > 0) this.#firstByteMs ??= this.#elapsed();
    if (ends && inner.length > 0) inner.push(this.#measured(inner.pop()!, event.usage));
    return inner.map((json) => this.#frames.event("chunk", chunkPayload(json)));
  }

  /** The body of an InvokeModel answer. Throws the failure when the answer is one. */
  whole(): Record<string, unknown> {
    return this.#inner.whole();
  }

  /** The JSON texts of what the inner dialect would send as SSE. */
  #texts(event: ModelEvent): string[] {
    const text = this.#inner.push(event).join("");
    if (text === "") return [];
    return this.#sse
      .push(Buffer.from(text))
      .map(({ data }) => data)
      .filter((data) => data !== "[DONE]");
  }

  #measured(json: string, usage: Usage | undefined): string {
    const latencyMs = this.#elapsed();
    return withMetrics(json, usage ?? NO_USAGE, { latencyMs, firstByteMs: this.#firstByteMs ?? latencyMs });
  }

  #elapsed(): number {
    return Math.max(0, Math.round(this.#elapsedMs()));
  }
}

const OPEN = "<reasoning>";
const CLOSE = "</reasoning>";

/** OpenAI's models on InvokeModel show their reasoning as tagged text in front of the answer: a reasoning item as a message. */
class ReasoningAsText {
  /** Reasoning items by index, and whether their text has begun. */
  readonly #open = new Map<number, boolean>();

  push(event: ModelEvent): ModelEvent[] {
    if (event.type === "item.started" && event.item.type === "reasoning") {
      this.#open.set(event.index, false);
      return [];
    }
    if (event.type === "reasoning.delta") return this.#text(event.index, event.delta);
    if (event.type !== "item.done" || event.item.type !== "reasoning") return [event];
    const { index, item } = event;
    const text = textOf([...item.summary, ...(item.content ?? [])]);
    if (text === "") return [];
    const begun = this.#open.get(index) === true;
    this.#open.delete(index);
    const rest = begun ? [] : this.#text(index, text);
    const message: Item = {
      type: "message",
      role: "assistant",
      content: [{ type: "output_text", text: `${OPEN}${text}${CLOSE}` }],
    };
    return [
      ...rest,
      { type: "text.delta", index, delta: CLOSE },
      { type: "item.done", index, item: message },
    ];
  }

  #text(index: number, delta: string): ModelEvent[] {
    if (this.#open.get(index) === true) return [{ type: "text.delta", index, delta }];
    this.#open.set(index, true);
    const item: Item = { type: "message", role: "assistant", content: [] };
    return [
      { type: "item.started", index, item },
      { type: "text.delta", index, delta: `${OPEN}${delta}` },
    ];
  }
}
