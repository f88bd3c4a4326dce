/** Hub turns as Converse's system blocks and messages. Blocks carry the client's `breakpoint`s until cache points are placed. */

import type { ContentPart } from "@moho/protocol";
import { MohoError } from "@moho/protocol";
import { record } from "../../framing/json.ts";
import type { Raw } from "../fields.ts";
import { type Note, unsupportedItem } from "../notes.ts";
import { openSeal } from "../sealed.ts";
import { CUSTOM_ARGUMENT, parsedArguments } from "../tools.ts";
import type { AnswerPart, Call, Result, Turn } from "../turns.ts";
import type { ConverseCapabilities } from "./capabilities.ts";
import { documentBlob, documentName, imageBlob } from "./media.ts";

export interface Message {
  role: "user" | "assistant";
  content: Raw[];
}

export interface Conversation {
  system: Raw[];
  messages: Message[];
}

const BEGINNING = "[The conversation begins with the assistant's message.]";
const NOTHING = "[The tool returned nothing.]";

/** `words` end the system prompt. Throws `unsupported_item` by kind and place, `invalid_request` when nothing is said at all. */
export function writeConversation(
  instructions: unknown,
  words: string | undefined,
  turns: readonly Turn[],
  capabilities: ConverseCapabilities,
  notes: Note[],
): Conversation {
  const writer = new ConverseWriter(capabilities, notes);
  if (typeof instructions === "string") writer.system.push(...writer.texts(instructions, 0));
  const body = turns.findIndex((turn) => turn.kind !== "instruct");
  for (const [at, turn] of turns.entries()) {
    if (turn.kind !== "instruct") writer.turn(turn);
    else if (body === -1 || at < body) writer.system.push(...writer.texts(turn.item.content, turn.index));
    else writer.instructLater(turn);
  }
  if (words !== undefined) writer.system.push({ text: words });
  return writer.finish();
}

class ConverseWriter {
  readonly system: Raw[] = [];
  readonly #messages: Message[] = [];
  readonly #can: ConverseCapabilities;
  readonly #notes: Note[];
  readonly #documents = new Set<string>();
  /** The number that a further document of this name gets. */
  readonly #nextNumber = new Map<string, number>();

  constructor(capabilities: ConverseCapabilities, notes: Note[]) {
    this.#can = capabilities;
    this.#notes = notes;
  }

  turn(turn: Exclude<Turn, { kind: "instruct" }>): void {
    if (turn.kind === "user") this.#user(turn);
    else if (turn.kind === "results") {
      for (const result of turn.results) this.#add("user", this.#result(result));
    } else {
      for (const part of turn.parts) this.#add("assistant", this.#answer(part));
    }
  }

  /** The system prompt is the beginning of the prefix: what is said later must not change it. */
  instructLater({ item, index }: Turn & { kind: "instruct" }): void {
    const blocks = this.texts(item.content, index).map((block) => ({
      ...block,
      text: `<${item.role}>\n${String(block["text"])}\n</${item.role}>`,
    }));
    this.#add("user", blocks);
    this.#note(
      "message",
      index,
      "rewritten",
      "Converse has instructions at the beginning only: said by the user",
    );
  }

  finish(): Conversation {
    const messages = this.#messages;
    if (messages.length === 0) {
      throw new MohoError("invalid_request", "`input` has no message: Converse needs one of the user.", {
        details: { param: "input" },
      });
    }
    if (messages[0]!.role === "assistant") {
      messages.unshift({ role: "user", content: [{ text: BEGINNING }] });
      this.#note("message", 0, "rewritten", "Converse begins with the user: a line that says so was added");
    }
    for (const message of messages) this.#besideDocuments(message);
    return { system: this.system, messages };
  }

  /** The text blocks of instructions. Blank ones are refused by Converse and left out. */
  texts(content: string | readonly ContentPart[], index: number): Raw[] {
    const parts: readonly ContentPart[] =
      typeof content === "string" ? [{ type: "input_text", text: content }] : content;
    return parts.flatMap((part) => {
      const text = textPart(part);
      if (text === undefined) throw unsupportedItem(String(part.type), index, "instructions hold text only");
      return this.#text(text, index, part["prompt_cache_breakpoint"]);
    });
  }

  #user({ content, index, breakpoint }: Turn & { kind: "user" }): void {
    const parts: readonly ContentPart[] =
      typeof content === "string" ? [{ type: "input_text", text: content }] : content;
    const blocks = parts.flatMap((part) => this.#part(part, index));
    markLast(blocks, breakpoint);
    this.#add("user", blocks);
  }

  #part(part: ContentPart, index: number): Raw[] {
    const breakpoint = part["prompt_cache_breakpoint"];
    const text = textPart(part);
    if (text !== undefined) return this.#text(text, index, breakpoint);
    const block = this.#media(part, index);
    markLast([block], breakpoint);
    return [block];
  }

  #text(text: string, index: number, breakpoint: unknown): Raw[] {
    if (text.trim() === "") {
      if (text !== "") this.#note("text", index, "dropped", "it is blank, which Converse refuses");
      return [];
    }
    const block: Raw = { text };
    markLast([block], breakpoint);
    return [block];
  }

  #media(part: ContentPart, index: number): Raw {
    if (part.type === "input_image") {
      if (!this.#can.images) throw unsupportedItem("input_image", index, "the model takes no images");
      const blob = imageBlob(part);
      if (typeof blob === "string") throw unsupportedItem("input_image", index, blob);
      return { image: { format: blob.format, source: { bytes: blob.bytes } } };
    }
    if (part.type === "input_file") {
      if (!this.#can.documents) throw unsupportedItem("input_file", index, "the model takes no documents");
      const blob = documentBlob(part);
      if (typeof blob === "string") throw unsupportedItem("input_file", index, blob);
      const name = this.#documentName(part.filename);
      return { document: { format: blob.format, name, source: { bytes: blob.bytes } } };
    }
    throw unsupportedItem(String(part.type), index, "Converse has no such part");
  }

  /** Two documents of one request may not share a name. */
  #documentName(filename: string | undefined): string {
    const plain = documentName(filename);
    let number = this.#nextNumber.get(plain) ?? 1;
    let name = plain;
    while (this.#documents.has(name)) name = `${plain} (${++number})`;
    this.#nextNumber.set(plain, number);
    this.#documents.add(name);
    return name;
  }

  #answer(part: AnswerPart): Raw[] {
    if (part.kind === "call") return this.#call(part);
    if (part.kind === "reasoning") return this.#reasoning(part);
    const { content } = part.item;
    const parts: readonly ContentPart[] =
      typeof content === "string" ? [{ type: "output_text", text: content }] : content;
    const blocks = parts.flatMap((piece) => {
      const text = textPart(piece);
      if (text === undefined)
        throw unsupportedItem(String(piece.type), part.index, "an answer holds text only");
      return this.#text(text, part.index, piece["prompt_cache_breakpoint"]);
    });
    markLast(blocks, part.item["prompt_cache_breakpoint"]);
    return blocks;
  }

  #call({ id, name, arguments: text, index, breakpoint }: Call): Raw[] {
    const input = parsedArguments(text);
    if (input === undefined) {
      this.#note(
        "function_call",
        index,
        "rewritten",
        "its arguments are not a JSON object; they were wrapped in one",
      );
    }
    const block: Raw = { toolUse: { toolUseId: id, name, input: input ?? { [CUSTOM_ARGUMENT]: text } } };
    markLast([block], breakpoint);
    return [block];
  }

  /** Only what this family of models sealed, or what needs no seal, is replayed. */
  #reasoning({ item, index }: AnswerPart & { kind: "reasoning" }): Raw[] {
    const text = [...(item.summary ?? []), ...(item.content ?? [])].map((part) => part.text).join("");
    const sealed = item.encrypted_content;
    if (typeof sealed === "string" && sealed !== "") {
      const seal = openSeal(sealed);
      if (seal.kind === "redacted") return [{ reasoningContent: { redactedContent: seal.data } }];
      if (seal.kind === "thinking") {
        return [{ reasoningContent: { reasoningText: { text, signature: seal.signature } } }];
      }
      this.#note("reasoning", index, "dropped", "it is sealed for another family of models");
      return [];
    }
    if (this.#can.family === "anthropic" || text.trim() === "") {
      this.#note("reasoning", index, "dropped", "it has no signature, and the model takes none without");
      return [];
    }
    return [{ reasoningContent: { reasoningText: { text } } }];
  }

  #result({ id, output, interrupted, index, breakpoint }: Result): Raw[] {
    const parts: readonly ContentPart[] =
      typeof output === "string" ? [{ type: "input_text", text: output }] : output;
    let mark = breakpoint;
    const content = parts.flatMap((part) => {
      mark = part["prompt_cache_breakpoint"] ?? mark;
      const text = textPart(part);
      return text === undefined ? [this.#media(part, index)] : this.#text(text, index, undefined);
    });
    if (content.length === 0) {
      content.push({ text: NOTHING });
      this.#note(
        "function_call_output",
        index,
        "rewritten",
        "it is empty, which Converse refuses; a text says so",
      );
    }
    const status = interrupted ? { status: "error" } : {};
    const block: Raw = { toolResult: { toolUseId: id, content, ...status } };
    markLast([block], mark);
    return [block];
  }

  /** Roles alternate: what the same one says next joins its message. */
  #add(role: Message["role"], blocks: readonly Raw[]): void {
    if (blocks.length === 0) return;
    const last = this.#messages.at(-1);
    if (last?.role === role) last.content.push(...blocks);
    else this.#messages.push({ role, content: [...blocks] });
  }

  /** A document needs a text beside it. */
  #besideDocuments({ content }: Message): void {
    const names = content.flatMap((block) =>
      "document" in block ? [String(record(block["document"])["name"])] : [],
    );
    if (names.length > 0 && !content.some((block) => "text" in block)) {
      content.push({
        text: `The attached ${names.length === 1 ? "document" : "documents"}: ${names.join(", ")}`,
      });
    }
  }

  #note(kind: string, index: number, what: Note["what"], why: string): void {
    this.#notes.push({ leg: "upstream", kind, index, what, why });
  }
}

/** The text of a part that is one. */
function textPart(part: ContentPart): string | undefined {
  if (part.type === "refusal") return part.refusal;
  return "text" in part && typeof part.text === "string" ? part.text : undefined;
}

/** Marks the last block as one to be followed by a cache point. */
function markLast(blocks: Raw[], breakpoint: unknown): void {
  const last = blocks.at(-1);
  if (last !== undefined && breakpoint !== undefined && breakpoint !== null)
    Object.assign(last, { breakpoint });
}
