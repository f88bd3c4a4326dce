/** Converse content blocks as hub items and parts. */

import { Buffer } from "node:buffer";
import type { ContentPart, Item, MessageItem, ReasoningItem, TextPart } from "@moho/protocol";
import { expectArray, expectObject, expectString, optional, type Raw } from "../fields.ts";
import type { Note } from "../notes.ts";
import { foreignSignature, sealRedacted, sealThinking } from "../sealed.ts";
import { base64Of, filePart, imagePart } from "./media.ts";
import { expectMember, inexpressible, type Member, noteAt, refused } from "./shape.ts";

type Blocks = readonly Member[];

/** One plain text becomes `instructions`; anything richer a developer message, whose parts keep their borders. */
export function readSystem(raw: unknown, notes: Note[]): { instructions?: string; items: Item[] } {
  if (raw === undefined || raw === null) return { items: [] };
  const blocks = expectArray(raw, "system").map((block, index) => expectMember(block, `system.${index}`));
  const parts: ContentPart[] = [];
  for (const [index, { kind, inner }] of blocks.entries()) {
    const path = `system.${index}.${kind}`;
    if (kind === "text") {
      if (expectString(inner, path).trim() === "") {
        throw refused(
          path,
          `The text field in the SystemContentBlock object at system.${index} is blank. Add text to the text field, and try again.`,
        );
      }
      parts.push({ type: "input_text", text: expectString(inner, path) });
    } else if (kind === "cachePoint") markBreakpoint(parts.at(-1), inner, path, notes);
    else if (kind === "guardContent") parts.push(guarded(inner, path, notes));
    else throw refused(path, `\`system.${index}\` must be text, guardContent or cachePoint.`);
  }
  const [first] = parts;
  if (first === undefined) return { items: [] };
  if (parts.length === 1 && first.type === "input_text" && first["prompt_cache_breakpoint"] === undefined) {
    return { instructions: first.text, items: [] };
  }
  return { items: [{ type: "message", role: "developer", content: parts }] };
}

/** Tool results and what stands between them, in order. */
export function readUserTurn(blocks: Blocks, path: string, notes: Note[]): Item[] {
  const items: Item[] = [];
  let parts: ContentPart[] = [];
  const flush = (): void => {
    if (parts.length > 0) items.push({ type: "message", role: "user", content: parts });
    parts = [];
  };
  for (const [index, { kind, inner }] of blocks.entries()) {
    const here = `${path}.${index}.${kind}`;
    if (kind === "toolResult") {
      flush();
      items.push(readResult(expectObject(inner, here), here, notes));
    } else if (kind === "cachePoint") {
      markBreakpoint(parts.at(-1) ?? items.at(-1), inner, here, notes);
    } else parts.push(readPart(kind, inner, here, notes));
  }
  flush();
  return items;
}

export function readAssistantTurn(blocks: Blocks, path: string, notes: Note[]): Item[] {
  const items: Item[] = [];
  for (const [index, { kind, inner }] of blocks.entries()) {
    const here = `${path}.${index}.${kind}`;
    switch (kind) {
      case "text":
        items.push(says(expectString(inner, here)));
        break;
      case "citationsContent":
        items.push(says(citedText(inner, here)));
        notes.push(noteAt(here, "rewritten", "its text was kept, its citations were not"));
        break;
      case "toolUse":
        items.push(readCall(expectObject(inner, here), here));
        break;
      case "reasoningContent":
        items.push(readReasoning(inner, here));
        break;
      case "cachePoint":
        markBreakpoint(items.at(-1), inner, here, notes);
        break;
      default:
        throw inexpressible(here, "no other dialect has it");
    }
  }
  return items;
}

function says(text: string): MessageItem {
  return { type: "message", role: "assistant", content: [{ type: "output_text", text }] };
}

function citedText(inner: unknown, path: string): string {
  const content = optional(expectObject(inner, path), "content", path, expectArray) ?? [];
  return content
    .map((part, at) =>
      expectString(expectObject(part, `${path}.content.${at}`)["text"], `${path}.content.${at}.text`),
    )
    .join("");
}

function readCall(call: Raw, path: string): Item {
  const name = expectString(call["name"], `${path}.name`);
  if (call["type"] !== undefined && call["type"] !== null) {
    throw inexpressible(path, "its result cannot be replayed to another model");
  }
  const input = expectObject(call["input"], `${path}.input`);
  const id = expectString(call["toolUseId"], `${path}.toolUseId`);
  return { type: "function_call", call_id: id, name, arguments: JSON.stringify(input) };
}

/** Text becomes the summary; the signature, or the redacted blob, is sealed into `encrypted_content`. */
function readReasoning(inner: unknown, path: string): ReasoningItem {
  const { kind, inner: value } = expectMember(inner, path);
  const here = `${path}.${kind}`;
  if (kind === "redactedContent") {
    return { type: "reasoning", summary: [], encrypted_content: redactedContent(expectString(value, here)) };
  }
  if (kind !== "reasoningText") throw refused(here, `\`${path}\` must be reasoningText or redactedContent.`);
  const body = expectObject(value, here);
  const signature = optional(body, "signature", here, expectString);
  return {
    type: "reasoning",
    summary: [{ type: "summary_text", text: expectString(body["text"], `${here}.text`) }],
    ...(signature !== undefined && { encrypted_content: sealThinking(signature) }),
  };
}

/** A redacted blob holds what another family sealed when it is text that says so (see the encoder). */
function redactedContent(blob: string): string {
  const text = Buffer.from(blob, "base64").toString("latin1");
  return text.startsWith(foreignSignature("")) ? sealThinking(text) : sealRedacted(blob);
}

function readResult(result: Raw, path: string, notes: Note[]): Item {
  const id = expectString(result["toolUseId"], `${path}.toolUseId`);
  const blocks = expectArray(result["content"], `${path}.content`);
  const parts = blocks.map((block, at): ContentPart => {
    const here = `${path}.content.${at}`;
    const { kind, inner } = expectMember(block, here);
    if (kind === "json") return { type: "input_text", text: JSON.stringify(inner) };
    return readPart(kind, inner, `${here}.${kind}`, notes);
  });
  if (result["status"] === "error") {
    notes.push(noteAt(`${path}.status`, "rewritten", "a text in front of the result says that it failed"));
    parts.unshift({ type: "input_text", text: "The tool failed:" });
  }
  const [only] = parts;
  const plain = parts.length === 1 && only?.type === "input_text";
  const output = plain ? only.text : parts;
  return { type: "function_call_output", call_id: id, output: parts.length === 0 ? "" : output };
}

/** A block that is content and not structure, in a user turn or a tool result. */
function readPart(kind: string, inner: unknown, path: string, notes: Note[]): ContentPart {
  switch (kind) {
    case "text":
      return { type: "input_text", text: expectString(inner, path) };
    case "image":
      return readImage(expectObject(inner, path), path);
    case "document":
      return readDocument(expectObject(inner, path), path, notes);
    case "guardContent":
      return guarded(inner, path, notes);
    case "searchResult":
      notes.push(noteAt(path, "rewritten", "shown as plain text"));
      return searchText(expectObject(inner, path), path);
    case "reasoningContent":
    case "citationsContent":
      throw refused(path, `The ${kind} content block is not supported in user messages.`);
    default:
      throw inexpressible(path, "the model behind this gateway cannot be sent it");
  }
}

function readImage(image: Raw, path: string): ContentPart {
  const source = expectMember(image["source"], `${path}.source`);
  if (source.kind !== "bytes") throw inexpressible(`${path}.source`, "send the image's bytes");
  const part = imagePart(image["format"], expectString(source.inner, `${path}.source.bytes`));
  if (part === undefined)
    throw refused(`${path}.format`, `\`${path}.format\` must be png, jpeg, gif or webp.`);
  return part;
}

function readDocument(document: Raw, path: string, notes: Note[]): ContentPart {
  const name = expectString(document["name"], `${path}.name`);
  const source = expectMember(document["source"], `${path}.source`);
  for (const extra of ["context", "citations"]) {
    if (document[extra] !== undefined && document[extra] !== null) {
      notes.push(noteAt(`${path}.${extra}`, "dropped", "other dialects have no place for it"));
    }
  }
  const here = `${path}.source.${source.kind}`;
  const bytes =
    source.kind === "bytes"
      ? expectString(source.inner, here)
      : source.kind === "text"
        ? base64Of(expectString(source.inner, here))
        : source.kind === "content"
          ? base64Of(joined(source.inner, here))
          : undefined;
  if (bytes === undefined) throw inexpressible(here, "send the document's bytes");
  const part = filePart(
    source.kind === "bytes" ? document["format"] : (document["format"] ?? "txt"),
    name,
    bytes,
  );
  if (part === undefined) throw refused(`${path}.format`, `\`${path}.format\` is not a document format.`);
  return part;
}

function searchText(result: Raw, path: string): TextPart {
  const head = [result["title"], result["source"]].filter((line) => typeof line === "string");
  return { type: "input_text", text: [...head, joined(result["content"], `${path}.content`)].join("\n") };
}

function joined(value: unknown, path: string): string {
  return expectArray(value, path)
    .map((part, at) => expectString(expectObject(part, `${path}.${at}`)["text"], `${path}.${at}.text`))
    .join("\n");
}

function guarded(inner: unknown, path: string, notes: Note[]): ContentPart {
  const { kind, inner: value } = expectMember(inner, path);
  notes.push(noteAt(path, "rewritten", "plain content: the guardrail is the gateway's to apply"));
  const here = `${path}.${kind}`;
  if (kind === "image") return readImage(expectObject(value, here), here);
  return { type: "input_text", text: expectString(expectObject(value, here)["text"], `${here}.text`) };
}

/** A cache point says that all before it is worth keeping: what stands in front of it carries the mark. */
export function markBreakpoint(
  target: { [extra: string]: unknown } | undefined,
  point: unknown,
  path: string,
  notes: Note[],
): void {
  if (target === undefined) notes.push(noteAt(path, "dropped", "there is nothing in front of it to keep"));
  else {
    const ttl = optional(expectObject(point, path), "ttl", path, expectString);
    target["prompt_cache_breakpoint"] = { mode: "explicit", ...(ttl !== undefined && { ttl }) };
  }
}
