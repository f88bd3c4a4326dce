/** The native bodies behind InvokeModel, told apart by the model's id: OpenAI's and Anthropic's (aws-wire §4.5, §4.6). */

import { MohoError } from "@moho/protocol";

export type NativeFamily = "openai" | "anthropic";

/** The body that Anthropic's models take on Bedrock says so. */
export const ANTHROPIC_VERSION = "bedrock-2023-05-31";

/** `model` is the decoded id of the path: a foundation model, a profile or an ARN of one. Others have bodies of their own. */
export function nativeFamily(model: string): NativeFamily | undefined {
  const id = model.slice(model.lastIndexOf("/") + 1);
  return /(?:^|\.)(openai|anthropic)\./.exec(id)?.[1] as NativeFamily | undefined;
}

/** What the path and the operation say of a native body. */
export interface InvokeTarget {
  family: NativeFamily;
  /** The decoded id of the path. */
  model: string;
  /** The operation streams. */
  stream: boolean;
}

/**
 * Throws `invalid_request` when a body names another model than the path, which alone is authorised, or wants to be
 * answered otherwise than the operation does. Anthropic's body may say neither.
 */
export function checkAgreement(
  { family, model, stream }: InvokeTarget,
  body: { model: unknown; stream: unknown },
): void {
  const refused = (param: string, problem: string): MohoError =>
    new MohoError("invalid_request", `\`${param}\` ${problem}.`, { details: { param } });
  for (const [name, value] of Object.entries(body)) {
    if (value === undefined || value === null) continue;
    if (family === "anthropic") throw refused(name, "is not permitted: the path says it");
    if (name === "model" && value !== model)
      throw refused(name, `must be the model of the path, ${model}, or absent`);
    if (name === "stream" && value !== stream) {
      throw refused(name, `must be ${stream} for this operation, or absent`);
    }
  }
}
