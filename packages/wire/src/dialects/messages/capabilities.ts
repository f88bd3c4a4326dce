/** What is to be known of an upstream that speaks Messages. */

import type { HostedTools } from "../tools.ts";

export interface MessagesCapabilities {
  /** `max_tokens` when the client gave none: the dialect demands it. */
  maxTokens: number;
  /** How thinking is asked for: by a budget of tokens, by an effort, not at all. */
  thinking: "none" | "budget" | "adaptive";
  /** It takes `output_config.format` (Bedrock Mantle does not). */
  outputFormat: boolean;
  images: boolean;
  documents: boolean;
  /** Whose cache breakpoints: the client's as they were given, or placed here. */
  caching: "given" | "placed";
  hosted: HostedTools;
}
