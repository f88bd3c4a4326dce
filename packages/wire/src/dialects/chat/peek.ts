/** What a gateway must know of a Chat Completions request before it may pass, read from the body's bytes. */

import { JsonMembers, type ReadKinds } from "../../framing/json-members.ts";
import type { JsonMember } from "../../framing/json-scan.ts";

export interface ChatPeek {
  model: string | undefined;
  stream: boolean;
  /** The client asked for a usage chunk; without one a pass-through tap sees no usage. */
  streamOptions: boolean;
  maxOutputTokens: number | undefined;
  /** Answers asked for: each costs output. */
  choices: number;
  store: boolean | undefined;
  serviceTier: string | undefined;
  /** How much of what is not text `messages` holds. */
  input: { image: number; file: number; audio: number };
  members: ReadonlyMap<string, JsonMember>;
}

const READ: ReadKinds = {
  model: ["string"],
  stream: ["boolean"],
  stream_options: ["object"],
  max_tokens: ["number"],
  max_completion_tokens: ["number"],
  n: ["number"],
  store: ["boolean"],
  service_tier: ["string"],
  messages: ["array"],
};

const WATCH = { messages: ["image_url", "file", "input_audio"] } as const;

/** Throws `invalid_request` naming the byte, for a body that two parsers could read differently. */
export function peekChat(body: Uint8Array): ChatPeek {
  const top = new JsonMembers(body, READ, WATCH);
  const limits = [top.count("max_completion_tokens"), top.count("max_tokens")];
  const given = limits.filter((limit) => limit !== undefined);
  return {
    model: top.text("model"),
    stream: top.flag("stream") ?? false,
    streamOptions: top.has("stream_options"),
    // Servers differ in which of the two they obey: the larger one is what the answer may cost.
    maxOutputTokens: given.length === 0 ? undefined : Math.max(...given),
    choices: top.count("n") ?? 1,
    store: top.flag("store"),
    serviceTier: top.text("service_tier"),
    input: { image: top.typed("image_url"), file: top.typed("file"), audio: top.typed("input_audio") },
    members: top.members,
  };
}
