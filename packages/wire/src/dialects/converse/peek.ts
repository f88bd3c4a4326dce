/** What a gateway must know of a Converse request before it may pass, read from the body's bytes. */

import { JsonMembers, type ReadKinds } from "../../framing/json-members.ts";
import type { JsonMember } from "../../framing/json-scan.ts";

export interface ConversePeek {
  maxOutputTokens: number | undefined;
  serviceTier: string | undefined;
  /** `optimized` costs more. */
  latency: string | undefined;
  /** What the caller wants screened by; the gateway's own rules decide whether that is enough. */
  guardrail: { id: string | undefined; version: string | undefined } | undefined;
  /** The model is asked for a stored prompt's variables: the prompt brings input that the body does not show. */
  prompt: boolean;
  tools: boolean;
  /**
   * How much of what is not text the history holds, by the keys that say so: a tool's own input with such a key counts
   * as well, so the numbers are never too low. `stored` is content that stands in S3.
   */
  input: { image: number; file: number; video: number; audio: number; stored: number; guarded: number };
  members: ReadonlyMap<string, JsonMember>;
}

const READ: ReadKinds = {
  messages: ["array"],
  system: ["array"],
  inferenceConfig: ["object"],
  toolConfig: ["object"],
  guardrailConfig: ["object"],
  serviceTier: ["object"],
  performanceConfig: ["object"],
  promptVariables: ["object"],
};
const INFERENCE: ReadKinds = { maxTokens: ["number"] };
const GUARDRAIL: ReadKinds = { guardrailIdentifier: ["string"], guardrailVersion: ["string"] };
const TIER: ReadKinds = { type: ["string"] };
const PERFORMANCE: ReadKinds = { latency: ["string"] };

const KEYS = ["image", "document", "video", "audio", "s3Location", "guardContent"];
const WATCHED_KEYS = { messages: KEYS, system: KEYS } as const;

/** Throws `invalid_request` naming the byte, for a body that two parsers could read differently. */
export function peekConverse(body: Uint8Array): ConversePeek {
  const top = new JsonMembers(body, READ, {}, WATCHED_KEYS);
  const guardrail = top.inside("guardrailConfig", GUARDRAIL);
  return {
    maxOutputTokens: top.inside("inferenceConfig", INFERENCE)?.count("maxTokens"),
    serviceTier: top.inside("serviceTier", TIER)?.text("type"),
    latency: top.inside("performanceConfig", PERFORMANCE)?.text("latency"),
    guardrail: guardrail && {
      id: guardrail.text("guardrailIdentifier"),
      version: guardrail.text("guardrailVersion"),
    },
    prompt: top.has("promptVariables"),
    tools: top.has("toolConfig"),
    input: {
      image: top.keyed("image"),
      file: top.keyed("document"),
      video: top.keyed("video"),
      audio: top.keyed("audio"),
      stored: top.keyed("s3Location"),
      guarded: top.keyed("guardContent"),
    },
    members: top.members,
  };
}
