/** The hub events of a whole answer, as a fold hands them on. */

import { type Item, isToolCall, type ModelEvent, textOf, type Usage } from "@moho/protocol";
import type { ConverseCapabilities } from "@moho/wire";

/** Deltas have `piece` UTF-16 units. */
export function eventsOf(items: readonly Item[], usage: Usage | undefined, piece = 4): ModelEvent[] {
  const events = items.flatMap((item, index): ModelEvent[] => [
    { type: "item.started", index, item: blank(item) },
    ...deltas(item).flatMap(({ type, text }) =>
      pieces(text, piece).map((delta): ModelEvent => ({ type, index, delta })),
    ),
    { type: "item.done", index, item },
  ]);
  return [...events, { type: "completed", responseId: undefined, requestId: undefined, usage }];
}

type Delta = { type: "text.delta" | "reasoning.delta" | "arguments.delta"; text: string };

function deltas(item: Item): Delta[] {
  if (item.type === "message") return [{ type: "text.delta", text: textOf(item.content) }];
  if (item.type === "reasoning") return [{ type: "reasoning.delta", text: textOf(item.summary) }];
  if (!isToolCall(item)) return [];
  return [{ type: "arguments.delta", text: item.type === "function_call" ? item.arguments : item.input }];
}

function blank(item: Item): Item {
  if (item.type === "message") return { ...item, content: [] };
  if (item.type === "function_call") return { ...item, arguments: "" };
  return item.type === "custom_tool_call" ? { ...item, input: "" } : item;
}

function pieces(text: string, size: number): string[] {
  const found: string[] = [];
  for (let at = 0; at < text.length; at += size) found.push(text.slice(at, at + size));
  return found;
}

/** What Claude behind Converse takes, when it thinks within a budget. */
export const CLAUDE: ConverseCapabilities = {
  family: "anthropic",
  thinking: "budget",
  cachePoints: "none",
  images: true,
  documents: true,
  structuredOutput: true,
  forcedTools: true,
  hosted: { web_search: "drop", tool_search: "drop", mcp: "refuse" },
};
