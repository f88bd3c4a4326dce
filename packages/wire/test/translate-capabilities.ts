/** Upstreams that take all that their dialect has. */

import type { ChatCapabilities, HostedTools, MessagesCapabilities } from "@moho/wire";

export const HOSTED: HostedTools = { web_search: "drop", tool_search: "drop", mcp: "refuse" };

export const CHAT: ChatCapabilities = {
  developerRole: true,
  maxTokensField: "max_completion_tokens",
  reasoningEffort: true,
  reasoningField: "reasoning",
  images: true,
  files: true,
  hosted: HOSTED,
};

export const MESSAGES: MessagesCapabilities = {
  maxTokens: 8192,
  thinking: "budget",
  outputFormat: true,
  images: true,
  documents: true,
  caching: "given",
  hosted: HOSTED,
};
