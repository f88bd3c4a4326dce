/** Hub turns as a Messages system prompt and messages, whose roles alternate. */

import { Buffer } from "node:buffer";
import type { ContentPart } from "@moho/protocol";
import { defined, type Raw } from "../fields.ts";
import { type Note, unsupportedItem } from "../notes.ts";
import { openSeal } from "../sealed.ts";
import { parsedArguments } from "../tools.ts";
import type { AnswerPart, Call, Result, Turn } from "../turns.ts";
import { writeBreakpoint } from "./cache.ts";
import type { MessagesCapabilities } from "./capabilities.ts";

export interface MessagesContent {
  system: Raw[];
  messages: { role: "user" | "assistant"; content: Raw[] }[];
  notes: readonly Note[];
}

export function writeMessages(
  instructions: string | undefined | null,
  turns: readonly Turn[],
  capabilities: MessagesCapabilities,
): MessagesContent {
  const writer = new MessagesWriter(capabilities);
  if (typeof instructions === "string" && instructions !== "")
    writer.system.push({ type: "text", text: instructions });
  for (const turn of turns) writer.turn(turn);
  return writer;
}

class MessagesWriter implements MessagesContent {
  readonly system: Raw[] = [];
  readonly messages: { role: "user" | "assistant"; content: Raw[] }[] = [];
  readonly notes: Note[] = [];
  readonly #can: MessagesCapabilities;

  constructor(capabilities: MessagesCapabilities) {
    this.#can = capabilities;
  }

  turn(turn: Turn): void {
    switch (turn.kind) {
      case "instruct":
        this.#instruct(turn);
        return;
      case "user": {
        const blocks = this.#content(turn.content, turn.index);
        const last = blocks.at(-1);
        if (last !== undefined) blocks[blocks.length - 1] = { ...last, ...writeBreakpoint(turn.breakpoint) };
        this.#add("user", blocks);
        return;
      }
      case "answer":
        this.#answer(turn.parts);
        return;
      case "results":
        this.#add(
          "user",
          turn.results.map((result) => this.#result(result)),
        );
    }
  }

  /** Instructions at the beginning are the system prompt; later ones stay in their place, so that the prefix is kept. */
  #instruct({ item, index }: Turn & { kind: "instruct" }): void {
    const blocks = this.#content(item.content, index);
    if (this.messages.length === 0) {
      if (blocks.some(({ type }) => type !== "text")) {
        throw unsupportedItem(`message of role ${item.role}`, index, "the system prompt holds text only");
      }
      for (const block of blocks) this.system.push(block);
      return;
    }
    this.#note(
      "message",
      index,
      "rewritten",
      `a ${item.role} message in the middle is shown as marked user text`,
    );
    const text = (words: string): Raw => ({ type: "text", text: words });
    this.#add("user", [text(`<${item.role}>`), ...blocks, text(`</${item.role}>`)]);
  }

  #answer(parts: readonly AnswerPart[]): void {
    const blocks: Raw[] = [];
    for (const part of parts) {
      if (part.kind === "call") blocks.push(this.#call(part));
      else if (part.kind === "message") {
        for (const block of this.#content(part.item.content, part.index)) blocks.push(block);
      } else blocks.push(...this.#reasoning(part));
    }
    while (isThinking(blocks.at(-1))) {
      blocks.pop();
      this.#note("reasoning", parts.at(-1)!.index, "dropped", "nothing follows it");
    }
    if (blocks.length > 0 && this.messages.length === 0) {
      this.#note(
        "message",
        parts[0]!.index,
        "rewritten",
        "a user message was put in front: Messages must begin with one",
      );
      this.#add("user", [{ type: "text", text: "[The conversation begins with the assistant.]" }]);
    }
    this.#add("assistant", blocks);
  }

  #add(role: "user" | "assistant", blocks: Raw[]): void {
    if (blocks.length === 0) return;
    const last = this.messages.at(-1);
    if (last?.role === role) for (const block of blocks) last.content.push(block);
    else this.messages.push({ role, content: blocks });
  }

  #call({ id, name, arguments: text, index, breakpoint }: Call): Raw {
    let input = parsedArguments(text);
    if (input === undefined) {
      input = { arguments: text };
      this.#note(
        "function_call",
        index,
        "rewritten",
        "its arguments are not a JSON object; they are shown as one string",
      );
    }
    return { type: "tool_use", id, name, input, ...writeBreakpoint(breakpoint) };
  }

  /** Sealed by Anthropic: as it was. Anything else is an error there. */
  #reasoning({ item, index }: AnswerPart & { kind: "reasoning" }): Raw[] {
    const sealed = item.encrypted_content;
    const seal = typeof sealed === "string" && sealed !== "" ? openSeal(sealed) : undefined;
    if (seal?.kind === "redacted") return [{ type: "redacted_thinking", data: seal.data }];
    if (seal?.kind === "thinking") {
      const texts = item.summary?.length ? item.summary : (item.content ?? []);
      const thinking = texts.map((part) => part.text).join("");
      return [{ type: "thinking", thinking, signature: seal.signature }];
    }
    const why = seal === undefined ? "it has no signature" : "it is sealed for another family of models";
    this.#note("reasoning", index, "dropped", why);
    return [];
  }

  #result({ id, output, failed, index, breakpoint }: Result): Raw {
    const content = typeof output === "string" ? output : this.#content(this.#shown(output, index), index);
    return defined({
      type: "tool_result",
      tool_use_id: id,
      content: content.length > 0 ? content : undefined,
      is_error: failed ? true : undefined,
      ...writeBreakpoint(breakpoint),
    });
  }

  /** A model that takes no images must still be able to go on after a tool has returned one. */
  #shown(output: readonly ContentPart[], index: number): ContentPart[] {
    return output.map((part) => {
      if (this.#takes(part)) return part;
      this.#note(part.type, index, "rewritten", "the model does not take it; a text says so");
      const what = part.type === "input_image" ? "An image" : "A file";
      return { type: "input_text", text: `[${what} that this model cannot be shown.]` };
    });
  }

  #takes(part: ContentPart): boolean {
    if (part.type === "input_image") return this.#can.images;
    return part.type === "input_file" ? this.#can.documents : true;
  }

  /** Blank texts are left out: Anthropic refuses them. */
  #content(content: string | readonly ContentPart[], index: number): Raw[] {
    if (typeof content === "string") return content.trim() === "" ? [] : [{ type: "text", text: content }];
    return content
      .map((part) => this.#part(part, index))
      .filter(({ type, text }) => type !== "text" || String(text).trim() !== "");
  }

  #part(part: ContentPart, index: number): Raw {
    if (!this.#takes(part)) throw unsupportedItem(part.type, index, "the model does not take it");
    const cached = writeBreakpoint(part["prompt_cache_breakpoint"]);
    if (part.type === "input_image") {
      if (typeof part.image_url !== "string") {
        throw unsupportedItem("input_image", index, "an image stored elsewhere cannot be read; send a URL");
      }
      return { type: "image", source: sourceOf(part.image_url), ...cached };
    }
    if (part.type === "input_file") return { ...this.#document(part, index), ...cached };
    if (part.type === "refusal") return { type: "text", text: part.refusal };
    if (typeof part.text === "string") return { type: "text", text: part.text, ...cached };
    throw unsupportedItem(String(part.type), index, "Messages has no such part");
  }

  #document(part: ContentPart & { type: "input_file" }, index: number): Raw {
    const title = part.filename;
    if (typeof part["file_url"] === "string") {
      return defined({ type: "document", source: { type: "url", url: part["file_url"] }, title });
    }
    if (typeof part.file_data !== "string") {
      throw unsupportedItem("input_file", index, "a file stored elsewhere cannot be read; send `file_data`");
    }
    const source = sourceOf(part.file_data);
    if (source["media_type"] === "application/pdf") return defined({ type: "document", source, title });
    const text = typeof source["data"] === "string" ? textOfBase64(source) : undefined;
    if (text === undefined) {
      throw unsupportedItem("input_file", index, "Messages takes PDF and plain text, as `data:` URLs");
    }
    return defined({
      type: "document",
      source: { type: "text", media_type: "text/plain", data: text },
      title,
    });
  }

  #note(kind: string, index: number, what: Note["what"], why: string): void {
    this.notes.push({ leg: "upstream", kind, index, what, why });
  }
}

function isThinking(block: Raw | undefined): boolean {
  return block?.["type"] === "thinking" || block?.["type"] === "redacted_thinking";
}

function sourceOf(url: string): Raw {
  const match = /^data:([^;,]+);base64,/.exec(url);
  if (match === null) return { type: "url", url };
  return { type: "base64", media_type: match[1], data: url.slice(match[0].length) };
}

function textOfBase64(source: Raw): string | undefined {
  if (!String(source["media_type"]).startsWith("text/")) return undefined;
  return Buffer.from(String(source["data"]), "base64").toString("utf8");
}
