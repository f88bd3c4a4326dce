/**
 * What a gateway must know of a Responses request before it may pass: read from the body's bytes without parsing them.
 * It decides authorisation and money, so a body that two parsers could read differently is refused.
 */

import { JsonMembers, type ReadKinds } from "../../framing/json-members.ts";
import type { JsonMember } from "../../framing/json-scan.ts";

export interface ResponsesPeek {
  model: string | undefined;
  stream: boolean;
  maxOutputTokens: number | undefined;
  store: boolean | undefined;
  background: boolean;
  previousResponseId: string | undefined;
  serviceTier: string | undefined;
  /** A stored conversation is named. */
  conversation: boolean;
  /** A stored prompt template is named: it brings input, and may bring a model, that the body does not show. */
  prompt: boolean;
  /** How much of what is not text `input` holds. */
  input: { image: number; file: number; itemReference: number };
  /** Where each top-level value stands in the body. */
  members: ReadonlyMap<string, JsonMember>;
}

const READ: ReadKinds = {
  model: ["string"],
  stream: ["boolean"],
  max_output_tokens: ["number"],
  store: ["boolean"],
  background: ["boolean"],
  previous_response_id: ["string"],
  service_tier: ["string"],
  conversation: ["string", "object"],
  prompt: ["object"],
  input: ["string", "array"],
};

const WATCH = { input: ["input_image", "input_file", "item_reference"] } as const;

/**
 * Reads `body`. Throws `invalid_request` naming the byte where it stops being one JSON object with distinct keys, and
 * when a member that is read has the wrong kind or a key that another parser could take for it (escapes, case).
 */
export function peekResponses(body: Uint8Array): ResponsesPeek {
  const top = new JsonMembers(body, READ, WATCH);
  return {
    model: top.text("model"),
    stream: top.flag("stream") ?? false,
    maxOutputTokens: top.count("max_output_tokens"),
    store: top.flag("store"),
    background: top.flag("background") ?? false,
    previousResponseId: top.text("previous_response_id"),
    serviceTier: top.text("service_tier"),
    conversation: top.has("conversation"),
    prompt: top.has("prompt"),
    input: {
      image: top.typed("input_image"),
      file: top.typed("input_file"),
      itemReference: top.typed("item_reference"),
    },
    members: top.members,
  };
}
