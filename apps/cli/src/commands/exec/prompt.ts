/** The prompt: from the argument, or from standard input when the argument is `-`; never otherwise. */

import { MohoError } from "@moho/protocol";
import type { Context } from "../../context.ts";

export async function readPrompt(context: Context, argument: string | undefined): Promise<string> {
  if (argument !== undefined && argument !== "-") {
    if (argument.trim() === "") throw new MohoError("invalid_request", "The prompt is empty.");
    return argument;
  }
  if (argument === undefined)
    throw new MohoError("invalid_request", "There is no prompt.", {
      next: 'Give it as an argument (`moho exec "…"`), or `-` to read it from standard input.',
    });
  const chunks: Buffer[] = [];
  for await (const chunk of context.stdin) chunks.push(Buffer.from(chunk));
  const text = Buffer.concat(chunks).toString("utf8").trim();
  if (text === "") throw new MohoError("invalid_request", "Standard input was empty: there is no prompt.");
  return text;
}
