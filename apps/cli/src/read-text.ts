/** A text given as an argument, or on standard input when the argument is `-`. */

import { MohoError } from "@moho/protocol";
import type { Context } from "./context.ts";

/** Rejects with `invalid_request` when there is nothing in it; `what` names it. */
export async function readText(context: Context, argument: string, what: string): Promise<string> {
  if (argument !== "-") {
    if (argument.trim() !== "") return argument;
    throw new MohoError("invalid_request", `The ${what} is empty.`);
  }
  const chunks: Buffer[] = [];
  for await (const chunk of context.stdin()) chunks.push(Buffer.from(chunk));
  const text = Buffer.concat(chunks).toString("utf8");
  if (text.trim() !== "") return text;
  throw new MohoError("invalid_request", `Standard input was empty: there is no ${what}.`);
}
