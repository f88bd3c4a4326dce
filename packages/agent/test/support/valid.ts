/** What every Responses back end demands of a request's input. */

import { type Item, isToolCall } from "@moho/protocol";

const isOutput = (item: Item) =>
  item.type === "function_call_output" || item.type === "custom_tool_call_output";

/** Every fault, in words; empty when the items may be sent. */
export function faultsOf(items: readonly Item[]): string[] {
  const faults: string[] = [];
  let open: Item[] = [];
  items.forEach((item, i) => {
    const next = items[i + 1];
    if (
      item.type === "reasoning" &&
      (!next || isOutput(next) || (next.type === "message" && next.role !== "assistant"))
    )
      faults.push(`${i}: reasoning that nothing follows`);
    if (isToolCall(item)) open.push(item);
    else if (isOutput(item)) {
      const call = open.shift();
      if (!call) faults.push(`${i}: an output without a call`);
      else if (call["call_id"] !== item["call_id"]) faults.push(`${i}: outputs out of order`);
      else if (item.type !== `${call.type}_output`) faults.push(`${i}: an output of the wrong kind`);
    } else if (item.type === "message" && item.role !== "assistant" && open.length > 0) {
      faults.push(`${i}: a call without an output`);
      open = [];
    }
  });
  if (open.length > 0) faults.push("the end: a call without an output");
  return faults;
}
