/** The content of a Chat client's messages as hub parts and items. */

import type { ContentPart, Item } from "@moho/protocol";
import {
  defined,
  expectArray,
  expectName,
  expectObject,
  expectString,
  optional,
  type Raw,
} from "../fields.ts";
import { invalidAt, unsupportedItem } from "../notes.ts";

/** What a user, developer, system or tool message holds. `index` is the message's. */
export function readChatParts(content: unknown, path: string, index: number): string | ContentPart[] {
  if (typeof content === "string") return content;
  return expectArray(content, path).map((part, at) => readPart(part, `${path}[${at}]`, index));
}

function readPart(value: unknown, path: string, index: number): ContentPart {
  const part = expectObject(value, path);
  switch (part["type"]) {
    case "text":
      return { type: "input_text", text: expectString(part["text"], `${path}.text`) };
    case "image_url": {
      const image = expectObject(part["image_url"], `${path}.image_url`);
      const url = expectName(image["url"], `${path}.image_url.url`);
      const detail = optional(image, "detail", `${path}.image_url`, expectString);
      return { type: "input_image", image_url: url, ...(detail !== undefined && { detail }) };
    }
    case "file":
      return readFile(expectObject(part["file"], `${path}.file`), `${path}.file`, index);
    case "input_audio":
      throw unsupportedItem("input_audio", index, "the hub has no audio");
    default:
      throw invalidAt(`${path}.type`, "must be text, image_url or file");
  }
}

function readFile(file: Raw, path: string, index: number): ContentPart {
  if (file["file_id"] !== undefined && file["file_id"] !== null) {
    throw unsupportedItem(
      "file",
      index,
      "a file stored at another endpoint cannot be read; send `file_data`",
    );
  }
  const filename = optional(file, "filename", path, expectString);
  const data = expectName(file["file_data"], `${path}.file_data`);
  return { type: "input_file", ...defined({ filename, file_data: data }) };
}

/** An assistant message as the items that it stands for: reasoning, text, calls. */
export function readChatAnswer(message: Raw, index: number): Item[] {
  const path = `messages[${index}]`;
  for (const gone of ["audio", "function_call"]) {
    if (message[gone] === undefined || message[gone] === null) continue;
    throw unsupportedItem(gone, index, gone === "audio" ? "the hub has no audio" : "send `tool_calls`");
  }
  const items: Item[] = [];
  const reasoning =
    optional(message, "reasoning", path, expectString) ??
    optional(message, "reasoning_content", path, expectString);
  if (reasoning !== undefined && reasoning !== "") {
    items.push({ type: "reasoning", summary: [], content: [{ type: "reasoning_text", text: reasoning }] });
  }
  const content = readAnswerContent(message, path);
  if (content.length > 0) items.push({ type: "message", role: "assistant", content });
  const calls = optional(message, "tool_calls", path, expectArray) ?? [];
  for (const [at, call] of calls.entries()) items.push(readCall(call, `${path}.tool_calls[${at}]`));
  return items;
}

function readAnswerContent(message: Raw, path: string): ContentPart[] {
  const { content } = message;
  const parts: ContentPart[] = [];
  if (typeof content === "string") {
    if (content !== "") parts.push({ type: "output_text", text: content });
  } else if (content !== undefined && content !== null) {
    for (const [at, value] of expectArray(content, `${path}.content`).entries()) {
      parts.push(readAnswerPart(expectObject(value, `${path}.content[${at}]`), `${path}.content[${at}]`));
    }
  }
  const refusal = optional(message, "refusal", path, expectString);
  if (refusal !== undefined && refusal !== "") parts.push({ type: "refusal", refusal });
  return parts;
}

function readAnswerPart(part: Raw, path: string): ContentPart {
  if (part["type"] === "text")
    return { type: "output_text", text: expectString(part["text"], `${path}.text`) };
  if (part["type"] !== "refusal") throw invalidAt(`${path}.type`, "must be text or refusal");
  return { type: "refusal", refusal: expectString(part["refusal"], `${path}.refusal`) };
}

function readCall(value: unknown, path: string): Item {
  const call = expectObject(value, path);
  const callId = expectName(call["id"], `${path}.id`);
  if (call["type"] === "custom") {
    const custom = expectObject(call["custom"], `${path}.custom`);
    return {
      type: "custom_tool_call",
      call_id: callId,
      name: expectName(custom["name"], `${path}.custom.name`),
      input: expectString(custom["input"], `${path}.custom.input`),
    };
  }
  const spec = expectObject(call["function"], `${path}.function`);
  return {
    type: "function_call",
    call_id: callId,
    name: expectName(spec["name"], `${path}.function.name`),
    arguments: expectString(spec["arguments"], `${path}.function.arguments`),
  };
}
