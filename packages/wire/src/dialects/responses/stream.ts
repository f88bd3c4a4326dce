/** Writes an answer as Responses events while it arrives: the incremental twin of `encode.ts`. */

import type { Item, ModelEvent } from "@moho/protocol";
import { openAiErrorCode } from "../../errors/render.ts";
import { formatSse } from "../../framing/sse.ts";
import { AnswerCollector, type AnswerHead, isRefusal, stopOf } from "../answer.ts";
import {
  type AnswerEnd,
  blank,
  itemEvents,
  type ResponsesAnswer,
  responsesBody,
  type Shown,
  type Step,
  snapshot,
  withId,
} from "./encode.ts";

interface OpenItem {
  position: number;
  id: string;
  item: Item;
  shown: Shown;
  /** A delta event up to its sequence number, from there to its delta, and the rest. */
  before: string;
  between: string;
  after: string;
}

/**
 * One answer. `push` gives the text that the event adds to a stream, its end included: `response.completed`,
 * `response.incomplete` or `response.failed`. A call that was cut off has no `output_item.done`: clients act on that.
 */
export class ResponsesEncoder {
  readonly #collected = new AnswerCollector();
  readonly #head: AnswerHead;
  readonly #open = new Map<number, OpenItem>();
  /** By place in the output. */
  readonly #done = new Map<number, Item>();
  #sequence = 0;
  #position = 0;

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
        return [...this.#begin(), ...this.#started(event.index, event.item)];
      case "text.delta":
      case "reasoning.delta":
      case "arguments.delta":
        return this.#delta(event);
      case "item.done":
        return [...this.#begin(), ...this.#finish(event.index, event.item)];
      case "completed":
      case "failed":
        return [...this.#begin(), ...this.#last(event)];
      default:
        return [];
    }
  }

  /** The body of an answer that is not streamed. Throws the failure when the answer is one. */
  whole(): Record<string, unknown> {
    const { items, stop, usage } = this.#collected.whole();
    const end: AnswerEnd =
      stop === "completed" ? { status: "completed" } : { status: "incomplete", reason: stop };
    return responsesBody({ ...this.#head, items, usage, end });
  }

  #begin(): string[] {
    if (this.#sequence > 0) return [];
    const response = snapshot(this.#answer(), undefined, []);
    return [
      this.#event({ type: "response.created", response }),
      this.#event({ type: "response.in_progress", response }),
    ];
  }

  #started(index: number, announced: Item): string[] {
    const position = this.#position++;
    const item = withId(announced, this.#head.id, position);
    this.#open.set(index, {
      position,
      id: item.id!,
      item,
      shown: "announced",
      before: "",
      between: "",
      after: "",
    });
    return [this.#event({ type: "response.output_item.added", output_index: position, item: blank(item) })];
  }

  #delta(event: ModelEvent & { delta: string; index: number }): string[] {
    const open = this.#open.get(event.index);
    if (open === undefined || event.delta === "") return [];
    const chunks = open.shown === "streamed" ? [] : this.#firstDelta(open, event.type);
    const { before, between, after } = open;
    chunks.push(before + this.#sequence++ + between + JSON.stringify(event.delta) + after);
    return chunks;
  }

  /** Opens the part that the deltas belong to. */
  #firstDelta(open: OpenItem, type: ModelEvent["type"]): string[] {
    const { item } = open;
    const at = { item_id: open.id, output_index: open.position };
    open.shown = "streamed";
    if (type === "arguments.delta") {
      const custom = item.type === "custom_tool_call";
      this.#prepare(
        open,
        custom ? "response.custom_tool_call_input.delta" : "response.function_call_arguments.delta",
        at,
      );
      return [];
    }
    if (type === "reasoning.delta") {
      // Raw reasoning is announced with room for it; what comes without is a summary.
      if (item.type === "reasoning" && item.content !== undefined) {
        this.#prepare(open, "response.reasoning_text.delta", { ...at, content_index: 0 });
        return [];
      }
      const here = { ...at, summary_index: 0 };
      this.#prepare(open, "response.reasoning_summary_text.delta", here);
      const part = { type: "summary_text", text: "" };
      return [this.#event({ type: "response.reasoning_summary_part.added", ...here, part })];
    }
    const here = { ...at, content_index: 0 };
    if (isRefusal(item)) {
      this.#prepare(open, "response.refusal.delta", here);
      return [
        this.#event({ type: "response.content_part.added", ...here, part: { type: "refusal", refusal: "" } }),
      ];
    }
    this.#prepare(open, "response.output_text.delta", here, ',"logprobs":[]');
    const part = { type: "output_text", text: "", annotations: [] };
    return [this.#event({ type: "response.content_part.added", ...here, part })];
  }

  #prepare(open: OpenItem, type: string, at: Record<string, unknown>, extra = ""): void {
    open.before = `event: ${type}\ndata: {"type":"${type}","sequence_number":`;
    open.between = `,${JSON.stringify(at).slice(1, -1)},"delta":`;
    open.after = `${extra}}\n\n`;
  }

  #finish(index: number, whole: Item): string[] {
    const open = this.#open.get(index);
    const position = open?.position ?? this.#position++;
    const { id } = open ?? {};
    const item = withId(id === undefined ? whole : { ...whole, id }, this.#head.id, position);
    this.#open.delete(index);
    this.#done.set(position, item);
    const steps = itemEvents(item, position, Number.POSITIVE_INFINITY, open?.shown ?? "nothing");
    return [...steps].map((step) => this.#event(step));
  }

  #last(event: ModelEvent & { type: "completed" | "failed" }): string[] {
    const stop = stopOf(event);
    const chunks: string[] = [];
    let end: AnswerEnd = { status: "completed" };
    if (stop === undefined && event.type === "failed")
      end = { status: "failed", ...openAiErrorCode(event.error) };
    else if (stop === "max_output_tokens" || stop === "content_filter") {
      end = { status: "incomplete", reason: stop };
      for (const index of [...this.#open.keys()]) {
        const cut = this.#collected.cut(index);
        if (cut !== undefined) chunks.push(...this.#finish(index, cut));
      }
    }
    const output = [...this.#done].sort(([a], [b]) => a - b).map(([, item]) => item);
    const response = snapshot({ ...this.#answer(), usage: event.usage }, end, output);
    return [...chunks, this.#event({ type: `response.${end.status}`, response })];
  }

  #answer(): ResponsesAnswer {
    return { ...this.#head, items: [], usage: undefined };
  }

  #event({ type, ...members }: Step): string {
    return formatSse(type, JSON.stringify({ type, sequence_number: this.#sequence++, ...members }));
  }
}
