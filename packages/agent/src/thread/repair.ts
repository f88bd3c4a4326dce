/** The one order of items that every model accepts, and what is missing for it. Pure. */

import { type Item, isToolCall, type ToolCallItem, type ToolOutputItem } from "@moho/protocol";

export interface Repair {
  items: Item[];
  /** Made up for calls without an output. */
  outputs: ToolOutputItem[];
  /** Outputs without a call, second outputs of a call, and reasoning that nothing followed. */
  dropped: number;
}

const INTERRUPTED =
  "interrupted: the run stopped before this call reported. It may have acted wholly, partly or not at all: " +
  "look at the present state before you repeat it.";

/**
 * Puts the outputs of an answer's calls behind it in call order, gives a call without output an `interrupted` one,
 * and leaves out reasoning whose answer never came. `undefined` when `items` are in order already; applied twice it
 * changes nothing, and items before the first fault stay as they are.
 */
export function repairItems(items: readonly Item[]): Repair | undefined {
  const outputs = outputsByCall(items);
  const repaired: Item[] = [];
  const made: ToolOutputItem[] = [];
  let pending: ToolCallItem[] = [];
  let dropped = 0;

  const closeAnswer = () => {
    while (repaired.at(-1)?.type === "reasoning") {
      repaired.pop();
      dropped++;
    }
    for (const call of pending) {
      const output = outputs.get(call.call_id)?.shift();
      if (output === undefined) made.push(outputOf(call, INTERRUPTED));
      repaired.push(output ?? made.at(-1)!);
    }
    pending = [];
  };

  for (const item of items) {
    if (isToolOutput(item)) {
      if (pending.length > 0) closeAnswer();
    } else {
      if (isInput(item)) closeAnswer();
      repaired.push(item);
      if (isToolCall(item)) pending.push(item);
    }
  }
  closeAnswer();
  for (const unclaimed of outputs.values()) dropped += unclaimed.length;
  const same = repaired.length === items.length && repaired.every((item, i) => item === items[i]);
  return same ? undefined : { items: repaired, outputs: made, dropped };
}

/** The output item that answers `call`, in the form its kind of call needs. */
export function outputOf(call: ToolCallItem, output: ToolOutputItem["output"]): ToolOutputItem {
  return call.type === "function_call"
    ? { type: "function_call_output", call_id: call.call_id, output }
    : { type: "custom_tool_call_output", call_id: call.call_id, output };
}

export function isToolOutput(item: Item): item is ToolOutputItem {
  return item.type === "function_call_output" || item.type === "custom_tool_call_output";
}

function isInput(item: Item): boolean {
  return item.type === "message" && item.role !== "assistant";
}

function outputsByCall(items: readonly Item[]): Map<string, ToolOutputItem[]> {
  const outputs = new Map<string, ToolOutputItem[]>();
  for (const item of items) {
    if (!isToolOutput(item)) continue;
    const list = outputs.get(item.call_id);
    if (list) list.push(item);
    else outputs.set(item.call_id, [item]);
  }
  return outputs;
}
