/** One answer of a model: its finished items go to the log as they come, its deltas and drafts nowhere. */

import {
  type Item,
  isToolCall,
  type ModelEvent,
  MohoError,
  NO_USAGE,
  type ThreadEvent,
  type ToolCallItem,
  textOf,
  type Usage,
} from "@moho/protocol";
import type { ItemFeed } from "./item-feed.ts";
import { tokensOfItems } from "./request/tokens.ts";
import type { Thread } from "./thread/thread.ts";

export interface Answer {
  /** The items that were done, in the order in which they were. */
  items: Item[];
  /** Its tool calls; they may act only when there is no `error`. */
  calls: ToolCallItem[];
  usage: Usage | undefined;
  error: MohoError | undefined;
}

/** Reads a stream to its end. Each item is in the thread's log before its event is told. */
export async function receiveAnswer(
  events: AsyncIterable<ModelEvent>,
  thread: Thread,
  feed: ItemFeed,
  emit: (event: ThreadEvent) => void,
  refuseRetry: (spent: Usage | undefined) => MohoError | undefined,
): Promise<Answer> {
  const items: Item[] = [];
  const end = (usage: Usage | undefined, error?: MohoError) => ({
    items,
    calls: items.filter(isToolCall),
    usage,
    error,
  });
  for await (const event of events) {
    switch (event.type) {
      case "item.done":
        await thread.append([{ type: "item", item: event.item }]);
        items.push(event.item);
        tellItem(event.item, feed);
        break;
      case "request.retrying": {
        const refused = refuseRetry(event.spent);
        if (refused) return end(event.spent, refused);
        emit({ type: "error", message: retryNotice(event) });
        break;
      }
      case "warning":
        emit({ type: "error", message: event.message });
        break;
      case "completed":
        return end(event.usage);
      case "failed":
        return end(event.usage, event.error);
    }
  }
  return end(undefined, new MohoError("stream_interrupted", "The model's stream had no end."));
}

/** What an answer is charged: as reported, else by estimate; nothing when it failed before anything came. */
export function chargedUsage({ items, usage, error }: Answer, input: number): Usage {
  if (usage) return usage;
  if (error && items.length === 0) return NO_USAGE;
  return { ...NO_USAGE, input, output: tokensOfItems(items) };
}

function tellItem(item: Item, feed: ItemFeed): void {
  const body = bodyOf(item);
  if (body) feed.tell(body);
}

function bodyOf(item: Item): { type: "agent_message" | "reasoning"; text: string } | undefined {
  if (item.type === "message" && item.role === "assistant")
    return { type: "agent_message", text: textOf(item.content) };
  if (item.type !== "reasoning") return undefined;
  const text = item.summary.map((part) => part.text).join("\n\n");
  return text ? { type: "reasoning", text } : undefined;
}

function retryNotice({ attempt, waitMs, error }: Extract<ModelEvent, { type: "request.retrying" }>): string {
  return `Try ${attempt} failed (${error.code}: ${error.message}); the next follows in ${(waitMs / 1000).toFixed(1)} s.`;
}
