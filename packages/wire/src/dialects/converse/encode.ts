/** Writes an answer as the events of a ConverseStream, or as one Converse body (aws-wire §4.3, §4.4). */

import { Buffer } from "node:buffer";
import {
  type ContentPart,
  type Item,
  isToolCall,
  type ModelEvent,
  type MohoError,
  textOf,
  type Usage,
} from "@moho/protocol";
import { awsStreamException } from "../../errors/render.ts";
import { EventStreamEncoder } from "../../framing/event-stream.ts";
import { AnswerCollector, stopOf } from "../answer.ts";
import { droppedItem, type Note } from "../notes.ts";
import { foreignSignature, openSeal } from "../sealed.ts";
import { CUSTOM_ARGUMENT, parsedArguments } from "../tools.ts";
import { writeConverseUsage } from "./usage.ts";

export interface ConverseEncoderOptions {
  /** Milliseconds since the call began, for `metrics.latencyMs`. */
  elapsedMs: () => number;
}

type Json = Record<string, unknown>;

/** The block that is being written. Clients read blocks one after the other, so there is one at a time. */
interface Current {
  index: number;
  block: number;
  kind: "message" | "reasoning" | "call";
  /** UTF-16 units of its text that have been sent. */
  sent: number;
}

/**
 * One answer: `push` every hub event and send the bytes it returns. `completed` ends the stream with `messageStop` and
 * `metadata`; so do a reached token limit and a content filter; another failure ends it with an exception that the AWS
 * SDKs throw under its name. After the last event {@link whole} is the same answer as one body.
 */
export class ConverseEncoder {
  readonly #options: ConverseEncoderOptions;
  readonly #frames = new EventStreamEncoder();
  readonly #answer = new AnswerCollector();
  #started = false;
  #nextBlock = 0;
  #current: Current | undefined;
  /** Items of which deltas were left out because another block was open: written whole when they are done. */
  readonly #late = new Set<number>();
  #waiting: { index: number; item: Item }[] = [];
  #called = false;
  /** What Converse could not be told. */
  readonly notes: Note[] = [];

  constructor(options: ConverseEncoderOptions) {
    this.#options = options;
  }

  get finished(): boolean {
    return this.#answer.finished;
  }

  push(event: ModelEvent): Uint8Array[] {
    if (this.finished) return [];
    this.#answer.push(event);
    const frames: Buffer[] = [];
    switch (event.type) {
      case "item.started":
        this.#begin(event.index, event.item, frames);
        break;
      case "text.delta":
        this.#delta(event.index, "message", event.delta, frames);
        break;
      case "reasoning.delta":
        this.#delta(event.index, "reasoning", event.delta, frames);
        break;
      case "arguments.delta":
        this.#delta(event.index, "call", event.delta, frames);
        break;
      case "item.done":
        this.#done(event.index, event.item, frames);
        break;
      case "completed":
      case "failed":
        this.#end(event, frames);
    }
    const stopped = event.type === "failed" && stopOf(event) === undefined;
    if (!this.#started && (event.type === "item.started" || (frames.length > 0 && !stopped))) {
      this.#started = true;
      frames.unshift(this.#frames.event("messageStart", '{"role":"assistant"}'));
    }
    return frames;
  }

  /** The body of a Converse answer. Throws the failure when the answer is one. */
  whole(): Json {
    const { items, stop, usage } = this.#answer.whole();
    const content = items.flatMap(blockOf);
    const called = content.some((block) => "toolUse" in block);
    return {
      output: { message: { role: "assistant", content } },
      stopReason: stop === "completed" ? endReason(called) : LIMITS[stop],
      ...this.#measures(usage),
    };
  }

  #begin(index: number, item: Item, frames: Buffer[]): void {
    if (this.#current !== undefined) {
      this.#late.add(index);
      return;
    }
    // A call without its name and id cannot be announced: it is written when it is done. So is a freeform one.
    if (item.type === "function_call" && item.name !== "" && item.call_id !== "")
      this.#open(index, item, frames);
    else if (isToolCall(item)) this.#late.add(index);
  }

  #delta(index: number, kind: Current["kind"], delta: string, frames: Buffer[]): void {
    if (delta === "" || this.#late.has(index)) return;
    if (this.#current === undefined && kind !== "call") {
      this.#current = { index, block: this.#nextBlock++, kind, sent: 0 };
    }
    const current = this.#current;
    if (current?.index !== index || current.kind !== kind) {
      this.#late.add(index);
      return;
    }
    current.sent += delta.length;
    frames.push(this.#blockDelta(current.block, deltaOf(kind, delta)));
  }

  #done(index: number, item: Item, frames: Buffer[]): void {
    if (this.#current !== undefined && this.#current.index !== index) {
      this.#waiting.push({ index, item });
      return;
    }
    this.#finish(index, item, frames);
    for (const next of this.#waiting.splice(0)) this.#finish(next.index, next.item, frames);
  }

  /** Writes what of `item` has not been sent, and ends its block. */
  #finish(index: number, item: Item, frames: Buffer[]): void {
    const [block] = blockOf(item);
    this.#late.delete(index);
    if (!SHOWN.has(item.type)) this.notes.push(droppedItem(item, index, "Converse has no such block"));
    if (block === undefined && this.#current === undefined) return;
    if (this.#current === undefined) this.#open(index, item, frames);
    const current = this.#current!;
    const rest = textIn(item).slice(current.sent);
    if (rest !== "") frames.push(this.#blockDelta(current.block, deltaOf(current.kind, rest)));
    if (item.type === "reasoning") {
      for (const delta of sealDeltas(item, current.sent + rest.length > 0)) {
        frames.push(this.#blockDelta(current.block, delta));
      }
    }
    this.#close(frames);
  }

  #open(index: number, item: Item, frames: Buffer[]): void {
    const block = this.#nextBlock++;
    const kind = item.type === "reasoning" || item.type === "message" ? item.type : "call";
    this.#current = { index, block, kind, sent: 0 };
    if (!isToolCall(item)) return;
    this.#called = true;
    const toolUse = { toolUseId: item.call_id, name: wireName(item) };
    frames.push(this.#event("contentBlockStart", { contentBlockIndex: block, start: { toolUse } }));
  }

  #close(frames: Buffer[]): void {
    if (this.#current === undefined) return;
    frames.push(this.#event("contentBlockStop", { contentBlockIndex: this.#current.block }));
    this.#current = undefined;
  }

  #end(event: ModelEvent & { type: "completed" | "failed" }, frames: Buffer[]): void {
    const stop = stopOf(event);
    if (stop === undefined) {
      frames.push(this.#exception((event as ModelEvent & { type: "failed" }).error));
      return;
    }
    this.#close(frames);
    for (const next of this.#waiting.splice(0)) this.#finish(next.index, next.item, frames);
    const stopReason = stop === "completed" ? endReason(this.#called) : LIMITS[stop];
    frames.push(this.#event("messageStop", { stopReason }));
    frames.push(this.#event("metadata", this.#measures(event.usage)));
  }

  #measures(usage: Usage | undefined): Json {
    const none = { input: 0, cacheRead: 0, cacheWrite: 0, output: 0, reasoning: 0 };
    return {
      usage: writeConverseUsage(usage ?? none),
      metrics: { latencyMs: Math.max(0, Math.round(this.#options.elapsedMs())) },
    };
  }

  #blockDelta(contentBlockIndex: number, delta: Json): Buffer {
    return this.#event("contentBlockDelta", { contentBlockIndex, delta });
  }

  #event(type: string, payload: Json): Buffer {
    return this.#frames.event(type, JSON.stringify(payload));
  }

  #exception(error: MohoError): Buffer {
    const { type, message } = awsStreamException(error);
    return this.#frames.exception(type, JSON.stringify({ message }));
  }
}

const SHOWN: ReadonlySet<string> = new Set(["message", "reasoning", "function_call", "custom_tool_call"]);
const LIMITS = { max_output_tokens: "max_tokens", content_filter: "content_filtered" } as const;

function endReason(called: boolean): string {
  return called ? "tool_use" : "end_turn";
}

function deltaOf(kind: Current["kind"], text: string): Json {
  if (kind === "message") return { text };
  return kind === "call" ? { toolUse: { input: text } } : { reasoningContent: { text } };
}

/** The text that deltas of this item add up to. */
function textIn(item: Item): string {
  if (item.type === "message") return textOf(item.content);
  if (item.type === "reasoning") return reasoningText(item);
  if (item.type === "custom_tool_call") return JSON.stringify({ [CUSTOM_ARGUMENT]: item.input });
  return item.type === "function_call" ? item.arguments : "";
}

function reasoningText(item: Item & { type: "reasoning" }): string {
  const parts: readonly ContentPart[] = [...item.summary, ...(item.content ?? [])];
  return textOf(parts);
}

/** What stands beside the text of reasoning, as `sealed.ts` opens it. */
function sealDeltas(item: Item & { type: "reasoning" }, hasText: boolean): Json[] {
  const sealed = sealOf(item, hasText);
  if (sealed === undefined) return [];
  return [{ reasoningContent: sealed }];
}

function sealOf(item: Item & { type: "reasoning" }, hasText: boolean): Json | undefined {
  if (typeof item.encrypted_content !== "string" || item.encrypted_content === "") return undefined;
  const seal = openSeal(item.encrypted_content);
  if (seal.kind === "thinking") return { signature: seal.signature };
  if (seal.kind === "redacted") return { redactedContent: seal.data };
  const signature = foreignSignature(seal.data);
  return hasText ? { signature } : { redactedContent: Buffer.from(signature).toString("base64") };
}

/** The content block of a whole item; none for what Converse cannot show. */
function blockOf(item: Item): Json[] {
  if (isToolCall(item)) {
    const input = parsedArguments(textIn(item)) ?? { [CUSTOM_ARGUMENT]: textIn(item) };
    return [{ toolUse: { toolUseId: item.call_id, name: wireName(item), input } }];
  }
  if (item.type === "message") {
    const text = textOf(item.content);
    return text === "" ? [] : [{ text }];
  }
  if (item.type !== "reasoning") return [];
  const text = reasoningText(item);
  const seal = sealOf(item, text !== "");
  if (seal !== undefined && "redactedContent" in seal) return [{ reasoningContent: seal }];
  if (text === "" && seal === undefined) return [];
  return [{ reasoningContent: { reasoningText: { text, ...seal } } }];
}

function wireName(call: Item & { type: "function_call" | "custom_tool_call" }): string {
  const { namespace } = call;
  return typeof namespace === "string" && namespace !== "" ? `${namespace}__${call.name}` : call.name;
}
