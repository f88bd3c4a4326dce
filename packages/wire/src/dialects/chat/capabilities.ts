/** What is to be known of an upstream that speaks Chat. */

import type { HostedTools } from "../tools.ts";

export interface ChatCapabilities {
  /** It knows the role `developer`; else `system` is written. */
  developerRole: boolean;
  maxTokensField: "max_tokens" | "max_completion_tokens";
  reasoningEffort: boolean;
  /** Where its reasoning stands in an assistant message; `none` when it does not want it back. */
  reasoningField: "reasoning" | "reasoning_content" | "none";
  images: boolean;
  files: boolean;
  hosted: HostedTools;
}
