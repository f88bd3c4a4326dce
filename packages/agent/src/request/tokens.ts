/** How many tokens a text or item will take, by estimate: exact counts come with each answer. Pure. */

import type { ContentPart, Item } from "@moho/protocol";

const BYTES_PER_TOKEN = 4;
/** A picture is charged by its size in pixels, not by its bytes; this is a large one. */
const IMAGE_TOKENS = 1600;

export function tokensOfBytes(bytes: number): number {
  return Math.ceil(bytes / BYTES_PER_TOKEN);
}

export function bytesOfTokens(tokens: number): number {
  return tokens * BYTES_PER_TOKEN;
}

export function tokensOfText(text: string): number {
  return tokensOfBytes(Buffer.byteLength(text));
}

export function tokensOfItems(items: readonly Item[]): number {
  let tokens = 0;
  for (const item of items) tokens += tokensOfItem(item);
  return tokens;
}

function tokensOfItem(item: Item): number {
  const { content, output, ...rest } = item as Item & { content?: unknown; output?: unknown };
  return tokensOfText(JSON.stringify(rest)) + tokensOfContent(content) + tokensOfContent(output);
}

function tokensOfContent(content: unknown): number {
  if (typeof content === "string") return tokensOfText(content);
  if (!Array.isArray(content)) return 0;
  let tokens = 0;
  for (const part of content as ContentPart[])
    tokens += part.type === "input_image" ? IMAGE_TOKENS : tokensOfText(JSON.stringify(part));
  return tokens;
}
