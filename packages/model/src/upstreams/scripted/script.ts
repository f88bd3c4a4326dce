/** A script: what a pretended model answers, turn by turn. */

import { type Item, isToolCall, MohoError, type Usage } from "@moho/protocol";

export type ScriptItem =
  | { type: "message"; text: string; phase?: string }
  | { type: "reasoning"; text: string }
  | { type: "function_call"; name: string; arguments: string | Record<string, unknown> }
  | { type: "custom_tool_call"; name: string; input: string };

/** One answer of the model. */
export interface ScriptTurn {
  items: readonly ScriptItem[];
  /** Counted from the texts when absent, four characters to a token. */
  usage?: Partial<Usage>;
  /** Milliseconds to wait before answering. */
  delayMs?: number;
}

/** Reads a script: `{"turns": […]}` or the turns alone. Throws `invalid_config` naming the turn. */
export function parseScript(text: string): ScriptTurn[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new MohoError("invalid_config", "The script is not JSON.", { cause });
  }
  const turns = Array.isArray(json) ? json : (json as { turns?: unknown } | null)?.turns;
  if (!Array.isArray(turns)) throw new MohoError("invalid_config", "The script has no list of `turns`.");
  for (const [index, turn] of turns.entries()) {
    const items = (turn as { items?: unknown } | null)?.items;
    if (!Array.isArray(items) || !items.every(isScriptItem))
      throw new MohoError(
        "invalid_config",
        `Turn ${index + 1} of the script has no valid list of \`items\`.`,
      );
  }
  return turns as ScriptTurn[];
}

function isScriptItem(value: unknown): value is ScriptItem {
  if (typeof value !== "object" || value === null) return false;
  const item = value as Record<string, unknown>;
  switch (item["type"]) {
    case "message":
    case "reasoning":
      return typeof item["text"] === "string";
    case "function_call":
      return typeof item["name"] === "string" && ["string", "object"].includes(typeof item["arguments"]);
    case "custom_tool_call":
      return typeof item["name"] === "string" && typeof item["input"] === "string";
    default:
      return false;
  }
}

/** A turn as hub items; its calls get ids that depend only on where they stand in the script. */
export function itemsOf(turn: ScriptTurn, position: number): Item[] {
  return turn.items.map((item, index) => hubItem(item, `call_${position + 1}_${index + 1}`));
}

function hubItem(item: ScriptItem, callId: string): Item {
  switch (item.type) {
    case "message": {
      const content = [{ type: "output_text" as const, text: item.text, annotations: [] }];
      return { type: "message", role: "assistant", content, ...(item.phase && { phase: item.phase }) };
    }
    case "reasoning": {
      const summary = [{ type: "summary_text" as const, text: item.text }];
      return { type: "reasoning", summary, encrypted_content: "scripted" };
    }
    case "function_call": {
      const text = typeof item.arguments === "string" ? item.arguments : JSON.stringify(item.arguments);
      return { type: "function_call", call_id: callId, name: item.name, arguments: text };
    }
    case "custom_tool_call":
      return { type: "custom_tool_call", call_id: callId, name: item.name, input: item.input };
  }
}

/**
 * Which turn comes next, told by the conversation alone: a turn with calls is over when their outputs are there,
 * a turn without when its message is. So every process gives the same answer to the same request.
 */
export function nextTurn(script: readonly ScriptTurn[], input: readonly Item[]): number {
  const outputs = input.filter(
    ({ type }) => type === "function_call_output" || type === "custom_tool_call_output",
  ).length;
  const messages = input.filter((item) => item.type === "message" && item.role === "assistant").length;
  let calls = 0;
  let spoken = 0;
  for (const [position, turn] of script.entries()) {
    const items = itemsOf(turn, position);
    const own = items.filter(isToolCall).length;
    calls += own;
    spoken += items.filter(({ type }) => type === "message").length;
    if (own > 0 ? outputs < calls : messages < spoken) return position;
  }
  return script.length;
}
