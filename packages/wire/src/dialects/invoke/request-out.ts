/** A hub request as an InvokeModel body in the model's own dialect. Model and streaming stand in the path. */

import type { ResponsesRequest } from "@moho/protocol";
import { type ChatCapabilities, chatBody, type UpstreamBody } from "../chat/request-out.ts";
import type { Raw } from "../fields.ts";
import { type MessagesCapabilities, messagesBody } from "../messages/request-out.ts";
import { ANTHROPIC_VERSION } from "./native.ts";

export type InvokeCapabilities =
  | { family: "openai"; chat: ChatCapabilities }
  | { family: "anthropic"; messages: MessagesCapabilities };

/** Members of the inner dialect that the path says here. */
const IN_PATH: ReadonlySet<string> = new Set(["model", "stream", "stream_options"]);

/** Throws `unsupported_item` for what the inner dialect cannot be sent. */
export function hubToInvoke(request: ResponsesRequest, capabilities: InvokeCapabilities): UpstreamBody {
  const { value, notes, names } =
    capabilities.family === "openai"
      ? chatBody(request, capabilities.chat)
      : messagesBody(request, capabilities.messages);
  const head: Raw = capabilities.family === "openai" ? {} : { anthropic_version: ANTHROPIC_VERSION };
  const inner = Object.fromEntries(Object.entries(value).filter(([name]) => !IN_PATH.has(name)));
  return { body: JSON.stringify({ ...head, ...inner }), notes, names };
}
