/**
 * Builds request bodies. Each item is serialised once and its bytes are kept, so that a long thread costs no more
 * than a short one and every request repeats the last one's bytes; what grows comes last.
 */

import type { Item, ResponsesRequest, ToolSpec } from "@moho/protocol";

/** First, in this order: what does not change during a thread, and what a gateway must know early. */
const HEAD = [
  "model",
  "stream",
  "store",
  "service_tier",
  "max_output_tokens",
  "reasoning",
  "include",
  "text",
  "tool_choice",
  "parallel_tool_calls",
  "prompt_cache_key",
] as const;

const TAIL = ["instructions", "tools", "input"] as const;

const COMMA = Buffer.from(",");
const KNOWN: ReadonlySet<string> = new Set([...HEAD, ...TAIL]);

export class BodyEncoder {
  /** By identity: items and tools are never changed once they were part of a request. */
  readonly #bytes = new WeakMap<object, Buffer>();

  /** UTF-8 JSON of `request` for `model`, streamed, with `more` items after its own. */
  encode(request: ResponsesRequest, model: string, more: readonly Item[]): Buffer {
    const parts: Buffer[] = [this.#head({ ...request, model, stream: true })];
    this.#list(parts, "tools", request.tools ?? []);
    this.#list(parts, "input", [...itemsIn(request.input), ...more]);
    parts.push(Buffer.from("}"));
    return Buffer.concat(parts);
  }

  #head(request: ResponsesRequest): Buffer {
    const extra = Object.keys(request).filter((name) => !KNOWN.has(name));
    const members: string[] = [];
    for (const name of [...HEAD, ...extra, "instructions"]) {
      const text = JSON.stringify(request[name]);
      if (text !== undefined) members.push(`${JSON.stringify(name)}:${text}`);
    }
    return Buffer.from(`{${members.join(",")}`);
  }

  #list(parts: Buffer[], name: string, list: readonly (Item | ToolSpec)[]): void {
    if (name === "tools" && list.length === 0) return;
    parts.push(Buffer.from(`,"${name}":[`));
    for (const [index, entry] of list.entries()) {
      if (index > 0) parts.push(COMMA);
      parts.push(this.#once(entry));
    }
    parts.push(Buffer.from("]"));
  }

  #once(entry: object): Buffer {
    let bytes = this.#bytes.get(entry);
    if (!bytes) {
      bytes = Buffer.from(JSON.stringify(entry));
      this.#bytes.set(entry, bytes);
    }
    return bytes;
  }
}

function itemsIn(input: ResponsesRequest["input"]): readonly Item[] {
  return typeof input === "string" ? [{ type: "message", role: "user", content: input }] : input;
}
