/** An InvokeModel body, in the model's own dialect, as a hub request (aws-wire §4.5, §4.6). */

import { chatToHub } from "../chat/request-in.ts";
import { expectObject, type Raw } from "../fields.ts";
import { messagesToHub } from "../messages/request-in.ts";
import { type HubRequest, invalidAt } from "../notes.ts";
import { ANTHROPIC_VERSION, checkAgreement, type InvokeTarget } from "./native.ts";

/** Members that are Bedrock's and the gateway's to act on, not the model's. */
const BEDROCK = /^amazon-bedrock-/;

/** Throws like the dialect's own reader, and when the body contradicts the path. */
export function invokeToHub(body: unknown, target: InvokeTarget): HubRequest {
  const raw = expectObject(body, "$");
  checkAgreement(target, { model: raw["model"], stream: raw["stream"] });
  const own: Raw = Object.fromEntries(Object.entries(raw).filter(([name]) => !BEDROCK.test(name)));
  const named = { ...own, model: target.model, stream: target.stream };
  if (target.family === "openai") return chatToHub(named);
  if (raw["anthropic_version"] !== ANTHROPIC_VERSION) {
    throw invalidAt("anthropic_version", `must be \`${ANTHROPIC_VERSION}\``);
  }
  return messagesToHub(named);
}
