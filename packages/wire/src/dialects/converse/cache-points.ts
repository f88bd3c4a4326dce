/** Where a Converse body gets its `cachePoint`s: at most four, where the client wants them or where a thread grows (aws-wire §4.9). */

import { record } from "../../framing/json.ts";
import type { Raw } from "../fields.ts";
import type { Note } from "../notes.ts";
import type { ConverseCapabilities } from "./capabilities.ts";

/** A list of blocks; one with a member `breakpoint` is wanted to be followed by a cache point. */
interface Blocks {
  system: Raw[];
  messages: readonly { role: string; content: Raw[] }[];
  tools: Raw[] | undefined;
}

const MOST = 4;

/**
 * Puts cache points into the lists, and takes the marks out. Ours stand behind the tools, behind the system prompt and
 * behind the last two user messages: what the request before ended with is read, what this one ends with is written.
 */
export function placeCachePoints(
  { system, messages, tools }: Blocks,
  mode: ConverseCapabilities["cachePoints"],
  notes: Note[],
): void {
  const lists = [tools ?? [], system, ...messages.map(({ content }) => content)];
  const given = lists.flatMap((list) =>
    list.flatMap((block, at) => ("breakpoint" in block ? [{ list, at }] : [])),
  );
  const wanted =
    mode === "none" ? [] : given.length > 0 || mode === "given" ? given : ours(tools, system, messages);
  const kept = new Set(wanted.slice(-MOST).map(({ list, at }) => list[at]!));
  if (kept.size < given.length) {
    const why = mode === "none" ? "the model has no cache points" : `a request has at most ${MOST}`;
    notes.push({ leg: "upstream", kind: "prompt_cache_breakpoint", index: undefined, what: "dropped", why });
  }
  for (const list of lists) {
    const blocks = list.flatMap((block) => {
      const { breakpoint, ...plain } = block;
      return kept.has(block) ? [plain, { cachePoint: cachePoint(breakpoint) }] : [plain];
    });
    list.splice(0, list.length, ...blocks);
  }
}

function ours(
  tools: Raw[] | undefined,
  system: Raw[],
  messages: Blocks["messages"],
): { list: Raw[]; at: number }[] {
  const turns = messages.filter(({ role }) => role === "user").slice(-2);
  return [tools ?? [], system, ...turns.map(({ content }) => content)]
    .filter((list) => list.length > 0)
    .map((list) => ({ list, at: list.length - 1 }));
}

function cachePoint(breakpoint: unknown): Raw {
  const { ttl } = record(breakpoint);
  return ttl === "5m" || ttl === "1h" ? { type: "default", ttl } : { type: "default" };
}
