/** What differs between the models behind Converse. */

import type { HostedTools } from "../tools.ts";

/** What the model behind a Converse endpoint takes. */
export interface ConverseCapabilities {
  /** Decides what travels in `additionalModelRequestFields`, and whether unsigned reasoning may be sent back. */
  family: "openai" | "anthropic" | "other";
  /** How an Anthropic model is asked to think: a token budget, by itself with an effort, or not at all. */
  thinking: "none" | "budget" | "adaptive";
  /** `given`: the client's breakpoints only; `placed`: ours where the client set none. */
  cachePoints: "none" | "given" | "placed";
  images: boolean;
  documents: boolean;
  /** It takes `outputConfig`; else a schema is asked for in words. */
  structuredOutput: boolean;
  /** It takes `toolChoice` other than `auto`. */
  forcedTools: boolean;
  hosted: HostedTools;
}
