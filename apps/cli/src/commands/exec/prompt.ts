/** The prompt: from the argument, or from standard input when the argument is `-`; never otherwise. */

import { MohoError } from "@moho/protocol";
import type { Context } from "../../context.ts";
import { readText } from "../../read-text.ts";

export async function readPrompt(context: Context, argument: string | undefined): Promise<string> {
  if (argument !== undefined) return (await readText(context, argument, "prompt")).trim();
  throw new MohoError("invalid_request", "There is no prompt.", {
    next: 'Give it as an argument (`moho exec "…"`), or `-` to read it from standard input.',
  });
}
