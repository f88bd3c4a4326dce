/** What a gateway must know of a Messages request before it may pass, read from the body's bytes. */

import { JsonMembers, type ReadKinds } from "../../framing/json-members.ts";
import type { JsonMember } from "../../framing/json-scan.ts";

export interface MessagesPeek {
  model: string | undefined;
  stream: boolean;
  maxOutputTokens: number | undefined;
  serviceTier: string | undefined;
  /** How much of what is not text `messages` holds; `stored` is what the body does not show. */
  input: { image: number; file: number; stored: number };
  members: ReadonlyMap<string, JsonMember>;
}

const READ: ReadKinds = {
  model: ["string"],
  stream: ["boolean"],
  max_tokens: ["number"],
  service_tier: ["string"],
  messages: ["array"],
};

const WATCH = { messages: ["image", "document", "file", "container_upload"] } as const;

/** Throws `invalid_request` naming the byte, for a body that two parsers could read differently. */
export function peekMessages(body: Uint8Array): MessagesPeek {
  const top = new JsonMembers(body, READ, WATCH);
  return {
    model: top.text("model"),
    stream: top.flag("stream") ?? false,
    maxOutputTokens: top.count("max_tokens"),
    serviceTier: top.text("service_tier"),
    input: {
      image: top.typed("image"),
      file: top.typed("document"),
      stored: top.typed("file", "container_upload"),
    },
    members: top.members,
  };
}
