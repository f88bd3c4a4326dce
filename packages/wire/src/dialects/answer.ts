/** Collects the events of one answer, so that every encoder can also show it whole. */

import type { Item, ModelEvent, MohoError, Usage } from "@moho/protocol";
import { MohoError as Failure } from "@moho/protocol";

/** How an answer that is not an error ended. */
export type AnswerStop = "completed" | "max_output_tokens" | "content_filter";

export interface WholeAnswer {
  items: readonly Item[];
  stop: AnswerStop;
  usage: Usage | undefined;
}

/** Where an encoder's answers come from and what they are called. */
export interface AnswerHead {
  id: string;
  model: string;
  /** Seconds since 1970. */
  createdAt: number;
}

/** How a last event ends the answer: `undefined` for a failure that is not an end but an error. */
export function stopOf(event: ModelEvent & { type: "completed" | "failed" }): AnswerStop | undefined {
  if (event.type === "completed") return "completed";
  if (event.error.code === "output_limit") return "max_output_tokens";
  return event.error.code === "content_filtered" ? "content_filter" : undefined;
}

/** Push every event; after the last one {@link whole} is good. Text that was cut off counts, a cut-off call does not. */
export class AnswerCollector {
  /** By the hub's index, in the order in which they began. */
  readonly #items = new Map<number, Item>();
  readonly #texts = new Map<number, string>();
  readonly #done = new Set<number>();
  #end: { stop: AnswerStop | undefined; usage: Usage | undefined; error: MohoError | undefined } | undefined;

  push(event: ModelEvent): void {
    if (this.#end !== undefined) return;
    switch (event.type) {
      case "item.started":
        this.#items.set(event.index, event.item);
        return;
      case "text.delta":
        this.#texts.set(event.index, (this.#texts.get(event.index) ?? "") + event.delta);
        return;
      case "item.done":
        this.#items.set(event.index, event.item);
        this.#done.add(event.index);
        this.#texts.delete(event.index);
        return;
      case "completed":
      case "failed": {
        const error = event.type === "failed" ? event.error : undefined;
        this.#end = { stop: stopOf(event), usage: event.usage, error };
      }
    }
  }

  /** The item as it was last announced. */
  item(index: number): Item | undefined {
    return this.#items.get(index);
  }

  get finished(): boolean {
    return this.#end !== undefined;
  }

  /** A message that was cut off, with the text that came, as an `incomplete` item. */
  cut(index: number): Item | undefined {
    const item = this.#items.get(index);
    const text = this.#texts.get(index);
    return item?.type === "message" && text !== undefined ? cutMessage(item, text) : undefined;
  }

  /** The whole items, and messages that were cut off. */
  items(): Item[] {
    const items: Item[] = [];
    for (const [index, item] of this.#items) {
      const whole = this.#done.has(index) ? item : this.cut(index);
      if (whole !== undefined) items.push(whole);
    }
    return items;
  }

  /** Throws the failure when the answer is one, `internal` when it has not ended. */
  whole(): WholeAnswer {
    if (this.#end === undefined)
      throw new Failure("internal", "The answer was asked for before it had ended.");
    const { stop, usage, error } = this.#end;
    if (stop === undefined) throw error!;
    return { items: this.items(), stop, usage };
  }
}

function cutMessage(item: Item & { type: "message" }, text: string): Item {
  const part = isRefusal(item)
    ? { type: "refusal" as const, refusal: text }
    : { type: "output_text" as const, text, annotations: [] };
  return { ...item, content: [part], status: "incomplete" };
}

/** Was the message announced as a refusal? */
export function isRefusal(item: Item): boolean {
  return item.type === "message" && Array.isArray(item.content) && item.content[0]?.type === "refusal";
}
