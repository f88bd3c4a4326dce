/** The content blocks of a Messages client as hub items and parts. */

import { Buffer } from "node:buffer";
import type { ContentPart, Item, TextPart } from "@moho/protocol";
import {
  defined,
  expectArray,
  expectBoolean,
  expectName,
  expectObject,
  expectString,
  optional,
  type Raw,
} from "../fields.ts";
import { invalidAt, type Note, unsupportedItem } from "../notes.ts";
import { sealRedacted, sealThinking } from "../sealed.ts";
import { readBreakpoint } from "./cache.ts";

/** Reads the blocks of one message; `index` is the message's. */
export class BlockReader {
  readonly #notes: Note[];
  readonly #index: number;

  constructor(notes: Note[], index: number) {
    this.#notes = notes;
    this.#index = index;
  }

  /** A user message, which may hold tool results among its parts; each run of other parts is one hub message. */
  user(content: unknown, path: string, role: "user" | "system" = "user"): Item[] {
    if (typeof content === "string") return [{ type: "message", role, content }];
    const items: Item[] = [];
    let parts: ContentPart[] = [];
    const close = (): void => {
      if (parts.length > 0) items.push({ type: "message", role, content: parts });
      parts = [];
    };
    for (const [at, value] of expectArray(content, path).entries()) {
      const here = `${path}[${at}]`;
      const block = expectObject(value, here);
      if (block["type"] === "tool_result") {
        close();
        items.push(this.#result(block, here));
      } else for (const part of this.#part(block, here)) parts.push(part);
    }
    close();
    return items;
  }

  /** An assistant message: each block is an item of its own. */
  answer(content: unknown, path: string): Item[] {
    if (typeof content === "string") {
      return content === "" ? [] : [{ type: "message", role: "assistant", content: [outputText(content)] }];
    }
    return expectArray(content, path).map((value, at) =>
      this.#answerBlock(expectObject(value, `${path}[${at}]`), `${path}[${at}]`),
    );
  }

  text(value: unknown, path: string): TextPart {
    const block = expectObject(value, path);
    if (block["type"] !== "text") throw invalidAt(`${path}.type`, "must be text");
    return {
      type: "input_text",
      text: expectString(block["text"], `${path}.text`),
      ...readBreakpoint(block, path),
    };
  }

  #answerBlock(block: Raw, path: string): Item {
    const cached = readBreakpoint(block, path);
    switch (block["type"]) {
      case "text": {
        const part = { ...outputText(expectString(block["text"], `${path}.text`)), ...cached };
        return { type: "message", role: "assistant", content: [part] };
      }
      case "thinking": {
        const text = expectString(block["thinking"], `${path}.thinking`);
        const signature = optional(block, "signature", path, expectString) ?? "";
        const summary: TextPart[] = text === "" ? [] : [{ type: "summary_text", text }];
        return {
          type: "reasoning",
          summary,
          ...(signature !== "" && { encrypted_content: sealThinking(signature) }),
        };
      }
      case "redacted_thinking": {
        const data = expectString(block["data"], `${path}.data`);
        return { type: "reasoning", summary: [], encrypted_content: sealRedacted(data) };
      }
      case "tool_use":
        return {
          type: "function_call",
          call_id: expectName(block["id"], `${path}.id`),
          name: expectName(block["name"], `${path}.name`),
          arguments: JSON.stringify(expectObject(block["input"], `${path}.input`)),
          ...cached,
        };
      default:
        throw this.#refuse(block, "only Anthropic's own endpoints know this block");
    }
  }

  #result(block: Raw, path: string): Item {
    const failed = optional(block, "is_error", path, expectBoolean) === true;
    return {
      type: "function_call_output",
      call_id: expectName(block["tool_use_id"], `${path}.tool_use_id`),
      output: this.#resultContent(block["content"], `${path}.content`),
      ...(failed && { status: "incomplete" }),
      ...readBreakpoint(block, path),
    };
  }

  #resultContent(content: unknown, path: string): string | ContentPart[] {
    if (content === undefined || content === null) return "";
    if (typeof content === "string") return content;
    return expectArray(content, path).flatMap((value, at) =>
      this.#part(expectObject(value, `${path}[${at}]`), `${path}[${at}]`),
    );
  }

  #part(block: Raw, path: string): ContentPart[] {
    switch (block["type"]) {
      case "text":
        return [this.text(block, path)];
      case "image":
        return [this.#image(block, path)];
      case "document":
        return this.#document(block, path);
      case "search_result": {
        this.#note("search_result", "rewritten", "shown as text");
        const title = `${String(block["title"] ?? "")} ${String(block["source"] ?? "")}`.trim();
        const found = this.#resultContent(block["content"], `${path}.content`);
        const parts = typeof found === "string" ? [] : found;
        return [{ type: "input_text", text: `Search result: ${title}` }, ...parts];
      }
      default:
        throw this.#refuse(block, "only Anthropic's own endpoints know this block");
    }
  }

  #image(block: Raw, path: string): ContentPart {
    const source = expectObject(block["source"], `${path}.source`);
    const cached = readBreakpoint(block, path);
    if (source["type"] === "url") {
      return { type: "input_image", image_url: expectName(source["url"], `${path}.source.url`), ...cached };
    }
    if (source["type"] !== "base64")
      throw this.#refuse(block, "an image stored at another endpoint cannot be read");
    return { type: "input_image", image_url: dataUrl(source, `${path}.source`), ...cached };
  }

  #document(block: Raw, path: string): ContentPart[] {
    const source = expectObject(block["source"], `${path}.source`);
    const cached = readBreakpoint(block, path);
    const title = optional(block, "title", path, expectString);
    this.#noteLost(block);
    switch (source["type"]) {
      case "base64":
        return [
          {
            type: "input_file",
            ...defined({ filename: title ?? "document.pdf" }),
            file_data: dataUrl(source, `${path}.source`),
            ...cached,
          },
        ];
      case "url":
        return [
          {
            type: "input_file",
            ...defined({ filename: title }),
            file_url: expectName(source["url"], `${path}.source.url`),
            ...cached,
          },
        ];
      case "text": {
        const text = expectString(source["data"], `${path}.source.data`);
        const data = `data:text/plain;base64,${Buffer.from(text).toString("base64")}`;
        return [{ type: "input_file", filename: title ?? "document.txt", file_data: data, ...cached }];
      }
      case "content": {
        this.#note("document", "rewritten", "its parts were put in its place");
        const parts = this.#resultContent(source["content"], `${path}.source.content`);
        return typeof parts === "string" ? [{ type: "input_text", text: parts }] : parts;
      }
      default:
        throw this.#refuse(block, "a document stored at another endpoint cannot be read");
    }
  }

  #noteLost(block: Raw): void {
    for (const name of ["context", "citations"]) {
      const value = block[name];
      if (value === undefined || value === null || (value as Raw)["enabled"] === false) continue;
      this.#note(`document.${name}`, "dropped", "no other dialect has it");
    }
  }

  #refuse(block: Raw, why: string): Error {
    return unsupportedItem(String(block["type"]), this.#index, why);
  }

  #note(kind: string, what: Note["what"], why: string): void {
    this.#notes.push({ leg: "client", kind, index: this.#index, what, why });
  }
}

function outputText(text: string): TextPart {
  return { type: "output_text", text, annotations: [] };
}

function dataUrl(source: Raw, path: string): string {
  const type = expectName(source["media_type"], `${path}.media_type`);
  return `data:${type};base64,${expectString(source["data"], `${path}.data`)}`;
}
