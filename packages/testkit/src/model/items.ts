/** Short words for the items a scripted model says. */

import type { CustomToolCallItem, FunctionCallItem, MessageItem, ReasoningItem } from "@moho/protocol";

export function says(text: string): MessageItem {
  return { type: "message", role: "assistant", content: [{ type: "output_text", text, annotations: [] }] };
}

/** `callId` must differ between the calls of one script. */
export function calls(name: string, args: unknown, callId: string): FunctionCallItem {
  return { type: "function_call", call_id: callId, name, arguments: JSON.stringify(args) };
}

export function callsFreeform(name: string, input: string, callId: string): CustomToolCallItem {
  return { type: "custom_tool_call", call_id: callId, name, input };
}

export function thinks(summary: string, encrypted?: string): ReasoningItem {
  return {
    type: "reasoning",
    summary: [{ type: "summary_text", text: summary }],
    ...(encrypted !== undefined && { encrypted_content: encrypted }),
  };
}
