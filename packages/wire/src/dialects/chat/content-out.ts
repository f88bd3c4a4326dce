/** Hub turns as Chat messages. */

import type { ContentPart } from "@moho/protocol";
import { defined, type Raw } from "../fields.ts";
import { type Note, unsupportedItem } from "../notes.ts";
import type { AnswerPart, Result, Turn } from "../turns.ts";
import type { ChatCapabilities } from "./capabilities.ts";

export function writeChatMessages(
  instructions: string | undefined | null,
  turns: readonly Turn[],
  capabilities: ChatCapabilities,
): { value: Raw[]; notes: Note[] } {
  const writer = new ChatWriter(capabilities);
  if (typeof instructions === "string" && instructions !== "") writer.instruct("developer", instructions, 0);
  for (const turn of turns) writer.turn(turn);
  return { value: writer.messages, notes: writer.notes };
}

interface Answer {
  reasoning: string[];
  content: string | Raw[] | null;
  calls: Raw[];
}

class ChatWriter {
  readonly messages: Raw[] = [];
  readonly notes: Note[] = [];
  readonly #can: ChatCapabilities;

  constructor(capabilities: ChatCapabilities) {
    this.#can = capabilities;
  }

  turn(turn: Turn): void {
    switch (turn.kind) {
      case "instruct":
        this.instruct(turn.item.role, turn.item.content, turn.index);
        return;
      case "user":
        this.messages.push({ role: "user", content: this.#content(turn.content, turn.index) });
        return;
      case "answer":
        this.#answer(turn.parts);
        return;
      case "results":
        this.#results(turn.results);
        return;
    }
  }

  instruct(role: string, content: string | readonly ContentPart[], index: number): void {
    const known = role === "developer" && !this.#can.developerRole ? "system" : role;
    this.messages.push({ role: known, content: this.#content(content, index) });
  }

  /** Each text is a message of its own, which the reasoning before it and the calls behind it join. */
  #answer(parts: readonly AnswerPart[]): void {
    let open: Answer = { reasoning: [], content: null, calls: [] };
    for (const part of parts) {
      if (part.kind === "call") {
        const { id, name, arguments: text } = part;
        open.calls.push({ id, type: "function", function: { name, arguments: text } });
      } else if (open.calls.length > 0) {
        this.#afterCalls(part, open);
      } else {
        if (open.content !== null) {
          this.#close(open);
          open = { reasoning: [], content: null, calls: [] };
        }
        if (part.kind === "message") open.content = this.#answerContent(part.item.content, part.index);
        else open.reasoning.push(...this.#reasoning(part));
      }
    }
    if (open.content === null && open.calls.length === 0) {
      if (open.reasoning.length > 0)
        this.#note("reasoning", parts.at(-1)!.index, "dropped", "nothing follows it");
    } else this.#close(open);
  }

  /** Calls end a Chat message, and their results must follow: what stands behind them goes in front. */
  #afterCalls(part: Exclude<AnswerPart, { kind: "call" }>, open: Answer): void {
    this.#note(part.kind, part.index, "rewritten", "put before the calls of its answer");
    if (part.kind === "reasoning") open.reasoning.push(...this.#reasoning(part));
    else open.content = joined(open.content, this.#answerContent(part.item.content, part.index));
  }

  #close({ reasoning, content, calls }: Answer): void {
    const field = this.#can.reasoningField;
    this.messages.push({
      role: "assistant",
      ...(reasoning.length > 0 && { [field]: reasoning.join("\n\n") }),
      content,
      ...(calls.length > 0 && { tool_calls: calls }),
    });
  }

  /** At most one text. */
  #reasoning({ item, index }: AnswerPart & { kind: "reasoning" }): string[] {
    const parts = item.content?.length ? item.content : (item.summary ?? []);
    const text = parts.map((part) => part.text).join("\n\n");
    if (this.#can.reasoningField !== "none" && text !== "") return [text];
    const why =
      text === "" ? "it is sealed for another dialect" : "the upstream does not take reasoning back";
    this.#note("reasoning", index, "dropped", why);
    return [];
  }

  #answerContent(content: string | readonly ContentPart[], index: number): string | Raw[] {
    if (typeof content === "string") return content;
    const parts = content.map((part): Raw => {
      if (part.type === "refusal") return { type: "refusal", refusal: part.refusal };
      if ("text" in part && typeof part.text === "string") return { type: "text", text: part.text };
      throw unsupportedItem(String(part.type), index, "Chat's assistant messages hold text only");
    });
    return plain(parts);
  }

  #results(results: readonly Result[]): void {
    const shown: Raw[] = [];
    for (const { id, output, index } of results) {
      const { content, media } = this.#output(id, output, index);
      this.messages.push({ role: "tool", tool_call_id: id, content });
      for (const part of media) shown.push(part);
    }
    if (shown.length > 0) this.messages.push({ role: "user", content: shown });
  }

  /** Tool messages hold text only: images and files follow all results of the answer in one user message. */
  #output(
    id: string,
    output: string | readonly ContentPart[],
    index: number,
  ): { content: string | Raw[]; media: Raw[] } {
    if (typeof output === "string") return { content: output, media: [] };
    const texts: Raw[] = [];
    const media: Raw[] = [];
    for (const part of output) {
      if (!this.#takes(part)) {
        const what = part.type === "input_image" ? "An image" : "A file";
        texts.push({ type: "text", text: `[${what} that this model cannot be shown.]` });
        this.#note(part.type, index, "rewritten", "the model does not take it; a text says so");
        continue;
      }
      const written = this.#part(part, index);
      (written["type"] === "text" ? texts : media).push(written);
    }
    if (media.length === 0) return { content: plain(texts), media };
    this.#note("function_call_output", index, "rewritten", "its images and files follow in a user message");
    texts.push({ type: "text", text: "[Its images and files follow in the next user message.]" });
    const head = { type: "text", text: `Images and files of the tool result ${id}:` };
    return { content: plain(texts), media: [head, ...media] };
  }

  #takes(part: ContentPart): boolean {
    if (part.type === "input_image") return this.#can.images;
    return part.type === "input_file" ? this.#can.files : true;
  }

  #content(content: string | readonly ContentPart[], index: number): string | Raw[] {
    if (typeof content === "string") return content;
    return plain(content.map((part) => this.#part(part, index)));
  }

  #part(part: ContentPart, index: number): Raw {
    if (!this.#takes(part)) throw unsupportedItem(part.type, index, "the model does not take it");
    if (part.type === "input_image") {
      if (typeof part.image_url !== "string") {
        throw unsupportedItem("input_image", index, "an image stored elsewhere cannot be read; send a URL");
      }
      return {
        type: "image_url",
        image_url: defined({ url: part.image_url, detail: detailOf(part.detail) }),
      };
    }
    if (part.type === "input_file") {
      if (typeof part.file_data !== "string") {
        throw unsupportedItem(
          "input_file",
          index,
          "a file stored elsewhere cannot be read; send `file_data`",
        );
      }
      return { type: "file", file: defined({ filename: part.filename, file_data: part.file_data }) };
    }
    if (part.type === "refusal") return { type: "text", text: part.refusal };
    if (typeof part.text === "string") return { type: "text", text: part.text };
    throw unsupportedItem(String(part.type), index, "Chat has no such part");
  }

  #note(kind: string, index: number, what: Note["what"], why: string): void {
    this.notes.push({ leg: "upstream", kind, index, what, why });
  }
}

/** One text as a plain string: every server takes it. */
function plain(parts: Raw[]): string | Raw[] {
  if (parts.length === 0) return "";
  return parts.length === 1 && parts[0]!["type"] === "text" ? String(parts[0]!["text"]) : parts;
}

function joined(before: string | Raw[] | null, after: string | Raw[]): string | Raw[] {
  const list = (content: string | Raw[]): Raw[] =>
    typeof content === "string" ? [{ type: "text", text: content }] : content;
  return before === null ? after : plain([...list(before), ...list(after)]);
}

/** `original` is Codex's; Chat has auto, low and high. */
function detailOf(detail: unknown): string | undefined {
  if (typeof detail !== "string") return undefined;
  return detail === "original" ? "high" : detail;
}
