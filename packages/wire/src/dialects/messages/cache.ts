/** Prompt-cache breakpoints: Anthropic's `cache_control`, the hub's `prompt_cache_breakpoint` (aws-wire §4.9). */

import { record } from "../../framing/json.ts";
import { expectObject, expectString, optional, type Raw } from "../fields.ts";
import type { Note } from "../notes.ts";

/** What Anthropic takes in one request. */
const MOST = 4;

/** A block's `cache_control` as the member that the hub has for it; no member when there is none. */
export function readBreakpoint(block: Raw, path: string): { prompt_cache_breakpoint?: Raw } {
  const control = optional(block, "cache_control", path, expectObject);
  if (control === undefined) return {};
  const ttl = optional(control, "ttl", `${path}.cache_control`, expectString);
  return { prompt_cache_breakpoint: { mode: "explicit", ...(ttl !== undefined && { ttl }) } };
}

/** `cache_control` for a hub breakpoint; no member when there is none. Other lifetimes than Anthropic's are its default. */
export function writeBreakpoint(breakpoint: unknown): Raw {
  if (typeof breakpoint !== "object" || breakpoint === null) return {};
  const { ttl } = record(breakpoint);
  return { cache_control: { type: "ephemeral", ...((ttl === "5m" || ttl === "1h") && { ttl }) } };
}

export interface Cacheable {
  tools: Raw[];
  system: Raw[];
  messages: { role: string; content: Raw[] }[];
}

/**
 * Puts breakpoints behind the tools, the system prompt and the last two user messages, in place of what was given:
 * each request then reads what the one before has written.
 */
export function placeBreakpoints(body: Cacheable): void {
  for (const blocks of blockLists(body)) {
    for (const [at, block] of blocks.entries()) blocks[at] = without(block);
  }
  mark(body.tools);
  mark(body.system);
  for (const { content } of body.messages.filter(({ role }) => role === "user").slice(-2)) mark(content);
}

/** Drops breakpoints beyond the four that Anthropic takes, the earliest messages' first. */
export function limitBreakpoints(body: Cacheable): Note[] {
  const marked = blockLists(body).flatMap((blocks) =>
    blocks.map((block, at) => ({ blocks, at, block })).filter(({ block }) => "cache_control" in block),
  );
  const fixed = [...body.tools, ...body.system].filter((block) => "cache_control" in block).length;
  const excess = marked.length - MOST;
  if (excess <= 0) return [];
  const from = marked.length - fixed >= excess ? fixed : marked.length - excess;
  for (const { blocks, at, block } of marked.slice(from, from + excess)) blocks[at] = without(block);
  const why = `a request may have ${MOST} cache breakpoints; ${excess} were left out`;
  return [{ leg: "upstream", kind: "prompt_cache_breakpoint", index: undefined, what: "dropped", why }];
}

function blockLists({ tools, system, messages }: Cacheable): Raw[][] {
  return [tools, system, ...messages.map(({ content }) => content)];
}

function without(block: Raw): Raw {
  if (!("cache_control" in block)) return block;
  const { cache_control: _, ...rest } = block;
  return rest;
}

/** The last block that may carry one: thinking may not. */
function mark(blocks: Raw[]): void {
  const at = blocks.findLastIndex(({ type }) => type !== "thinking" && type !== "redacted_thinking");
  if (at >= 0) blocks[at] = { ...blocks[at], cache_control: { type: "ephemeral" } };
}
