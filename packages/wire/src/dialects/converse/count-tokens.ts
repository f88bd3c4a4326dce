/** CountTokens bodies (aws-wire §4.2): a Converse request, or a native body in base64, and the count. */

import { Buffer } from "node:buffer";
import { expectObject, expectString } from "../fields.ts";
import { isBase64 } from "./media.ts";
import { expectMember, refused } from "./shape.ts";

/** What shall be counted: a Converse body for {@link converseToHub}, or the bytes of an InvokeModel body. */
export type CountTokensInput =
  | { kind: "converse"; body: Readonly<Record<string, unknown>> }
  | { kind: "invokeModel"; body: Uint8Array };

/** Throws `invalid_request` with the JSON path. */
export function readCountTokens(body: unknown): CountTokensInput {
  const input = expectObject(body, "body")["input"];
  const { kind, inner } = expectMember(input, "input");
  if (kind === "converse") return { kind, body: expectObject(inner, "input.converse") };
  if (kind !== "invokeModel") throw refused("input", "`input` must be converse or invokeModel.");
  const blob = expectString(expectObject(inner, "input.invokeModel")["body"], "input.invokeModel.body");
  if (!isBase64(blob)) throw refused("input.invokeModel.body", "`input.invokeModel.body` must be base64.");
  return { kind, body: Buffer.from(blob, "base64") };
}

/** The body that asks a Bedrock upstream for the count of a translated request (see {@link converseBody}). */
export function writeCountTokens(converse: Readonly<Record<string, unknown>>): string {
  const { messages, system, toolConfig, additionalModelRequestFields } = converse;
  return JSON.stringify({
    input: { converse: { additionalModelRequestFields, toolConfig, system, messages } },
  });
}
