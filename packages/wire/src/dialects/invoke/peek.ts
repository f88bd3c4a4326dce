/** What a gateway must know of an InvokeModel request before it may pass, read from the body's bytes. */

import type { JsonMember } from "../../framing/json-scan.ts";
import { peekChat } from "../chat/peek.ts";
import { peekMessages } from "../messages/peek.ts";
import { checkAgreement, type InvokeTarget } from "./native.ts";

export interface InvokePeek {
  maxOutputTokens: number | undefined;
  /** Answers asked for: each costs output. */
  choices: number;
  serviceTier: string | undefined;
  input: { image: number; file: number; audio: number };
  members: ReadonlyMap<string, JsonMember>;
}

/**
 * Throws `invalid_request` for a body that two parsers could read differently, and for one that names another model
 * than the path: the path alone is authorised.
 */
export function peekInvoke(body: Uint8Array, target: InvokeTarget): InvokePeek {
  if (target.family === "anthropic") {
    const { maxOutputTokens, serviceTier, input, members } = peekMessages(body);
    // Whatever stands there, these members are not allowed.
    checkAgreement(target, { model: members.get("model"), stream: members.get("stream") });
    return { maxOutputTokens, choices: 1, serviceTier, input: { ...input, audio: 0 }, members };
  }
  const { model, stream, maxOutputTokens, choices, serviceTier, input, members } = peekChat(body);
  checkAgreement(target, { model, stream: members.has("stream") ? stream : undefined });
  return { maxOutputTokens, choices, serviceTier, input, members };
}
