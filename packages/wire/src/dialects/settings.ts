/** The hub request's settings that a dialect does not have: what they were is noted, what would change the input is refused. */

import type { ResponsesRequest } from "@moho/protocol";
import { type Note, unsupportedItem } from "./notes.ts";

/** Translated by every dialect, or without meaning for the answer itself. */
const HANDLED: ReadonlySet<string> = new Set([
  ...[
    "model",
    "input",
    "instructions",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "stream",
    "stream_options",
  ],
  ...[
    "max_output_tokens",
    "text",
    "reasoning",
    "store",
    "background",
    "include",
    "truncation",
    "client_metadata",
  ],
  "prompt_cache_options",
]);

/** Each brings input that is stored elsewhere: who holds it must put it into `input` first. */
const STORED: readonly string[] = ["previous_response_id", "conversation", "prompt"];

/** A note for each setting of `request` that is not in `passed`. Throws `unsupported_item` for one that names stored input. */
export function droppedSettings(request: ResponsesRequest, passed: ReadonlySet<string>): Note[] {
  const given = Object.keys(request).filter((name) => request[name] !== undefined && request[name] !== null);
  for (const name of STORED) {
    if (given.includes(name)) throw unsupportedItem(name, undefined, "the upstream holds no stored input");
  }
  return given
    .filter((name) => !HANDLED.has(name) && !passed.has(name))
    .map((name) => droppedSetting(name, "the upstream's dialect has no such setting"));
}

export function droppedSetting(kind: string, why: string): Note {
  return { leg: "upstream", kind, index: undefined, what: "dropped", why };
}
