/**
 * The hub's input as turns, the form that Chat, Messages and Converse share: an answer with its parallel calls, then all
 * of their results. What an interrupted thread lacks is filled in, so that every body is valid; each change is a note.
 */

import { createHash } from "node:crypto";
import type { ContentPart, Item, MessageItem, ReasoningItem, ResponsesRequest } from "@moho/protocol";
import { record } from "../framing/json.ts";
import type { Raw } from "./fields.ts";
import { type Note, unsupportedItem } from "./notes.ts";
import { CUSTOM_ARGUMENT, type ToolNames } from "./tools.ts";

export interface Call {
  kind: "call";
  /** Unique in the thread, at most 64 characters of `[A-Za-z0-9_-]`. */
  id: string;
  /** The tool's wire name. */
  name: string;
  /** JSON text. */
  arguments: string;
  index: number;
  breakpoint: unknown;
}

export interface Result {
  /** The {@link Call.id}. */
  id: string;
  output: string | readonly ContentPart[];
  /** The call never got a result. */
  interrupted: boolean;
  /** The tool failed, or never got to run to its end. */
  failed: boolean;
  index: number;
  breakpoint: unknown;
}

export type AnswerPart =
  | { kind: "message"; item: MessageItem; index: number }
  | { kind: "reasoning"; item: ReasoningItem; index: number }
  | Call;

export type Turn =
  /** A developer or system message. */
  | { kind: "instruct"; item: MessageItem; index: number }
  | { kind: "user"; content: string | readonly ContentPart[]; index: number; breakpoint: unknown }
  | { kind: "answer"; parts: readonly AnswerPart[] }
  /** One for each call of the answer before, in the calls' order. */
  | { kind: "results"; results: readonly Result[] };

export const INTERRUPTED = "[The call was interrupted: it has no result.]";

/** Reads `request.input`. Throws `unsupported_item` for items that only the Responses API can hold. */
export function readTurns(request: ResponsesRequest, names: ToolNames): { turns: Turn[]; notes: Note[] } {
  const input = typeof request.input === "string" ? [userMessage(request.input)] : request.input;
  return new TurnReader(input, names).read();
}

interface Output {
  item: Raw;
  index: number;
  taken: boolean;
}

class TurnReader {
  readonly #input: readonly Item[];
  readonly #names: ToolNames;
  /** By call id, with how many of them are done with. */
  readonly #outputs = new Map<string, { list: Output[]; passed: number }>();
  readonly #byIndex = new Map<number, Output>();
  readonly #ids = new Set<string>();
  readonly #timesUsed = new Map<string, number>();
  readonly #turns: Turn[] = [];
  readonly #notes: Note[] = [];
  #answer: AnswerPart[] = [];
  #calls: { call: Call; callId: string; item: Raw }[] = [];

  constructor(input: readonly Item[], names: ToolNames) {
    this.#input = input;
    this.#names = names;
    for (const [index, item] of input.entries()) if (OUTPUTS.has(item.type)) this.#note(item as Raw, index);
  }

  read(): { turns: Turn[]; notes: Note[] } {
    for (const [index, item] of this.#input.entries()) this.#item(item as Raw, index);
    this.#flush(this.#input.length);
    return { turns: this.#turns, notes: this.#notes };
  }

  /** Remembers an output for the call that it belongs to. */
  #note(item: Raw, index: number): void {
    const callId = String(item["call_id"]);
    const output = { item, index, taken: false };
    this.#byIndex.set(index, output);
    const same = this.#outputs.get(callId);
    if (same === undefined) this.#outputs.set(callId, { list: [output], passed: 0 });
    else same.list.push(output);
  }

  #item(item: Raw, index: number): void {
    const type = item["type"] ?? (typeof item["role"] === "string" ? "message" : undefined);
    switch (type) {
      case "message":
        this.#message(item as unknown as MessageItem, index);
        return;
      case "reasoning":
        this.#behindHosted(index);
        this.#answer.push({ kind: "reasoning", item: item as unknown as ReasoningItem, index });
        return;
      case "function_call":
      case "custom_tool_call":
      case "tool_search_call":
        this.#call(item, index);
        return;
      case "mcp_call":
        this.#hostedCall(item, index);
        return;
      case "function_call_output":
      case "custom_tool_call_output":
      case "tool_search_output":
        this.#output(index);
        return;
      case "agent_message":
        this.#agentMessage(item, index);
        return;
      case "web_search_call":
      case "mcp_list_tools":
        this.#rewrote(
          String(type),
          index,
          "dropped",
          "a record of work that the provider did; nothing to replay",
        );
        return;
      case "additional_tools":
        return;
      default:
        throw unsupportedItem(String(type), index, "only the endpoint that made it can read it");
    }
  }

  #message(item: MessageItem, index: number): void {
    if (item.role === "assistant") {
      this.#behindHosted(index);
      this.#answer.push({ kind: "message", item, index });
      return;
    }
    this.#flush(index);
    if (item.role === "developer" || item.role === "system") {
      this.#turns.push({ kind: "instruct", item, index });
    } else if (item.role === "user") {
      this.#user(item.content, index, item["prompt_cache_breakpoint"]);
    } else throw unsupportedItem(`message of role ${String(item.role)}`, index, "the role is not known");
  }

  #user(content: string | readonly ContentPart[], index: number, breakpoint?: unknown): void {
    this.#turns.push({ kind: "user", content, index, breakpoint });
  }

  #call(item: Raw, index: number): void {
    const callId = String(item["call_id"]);
    const call: Call = {
      kind: "call",
      id: this.#freshId(callId),
      name: this.#wireName(item),
      arguments: argumentsOf(item),
      index,
      breakpoint: item["prompt_cache_breakpoint"],
    };
    this.#answer.push(call);
    this.#calls.push({ call, callId, item });
  }

  /** What follows a call of the provider's was written in the knowledge of its result. */
  #behindHosted(index: number): void {
    if (this.#calls.at(-1)?.item["type"] === "mcp_call") this.#flush(index);
  }

  /** A call that the provider made: it carries its own output. */
  #hostedCall(item: Raw, index: number): void {
    this.#call({ ...item, call_id: item["id"] ?? `mcp_${index}`, namespace: item["server_label"] }, index);
    this.#rewrote("mcp_call", index, "rewritten", "shown as a function call and its result");
  }

  #output(index: number): void {
    this.#flush(index);
    const output = this.#byIndex.get(index)!;
    if (output.taken) return;
    const { item } = output;
    const content = outputOf(item);
    const head = `Result of an earlier tool call (${String(item["call_id"])}):`;
    const parts: ContentPart[] =
      typeof content === "string"
        ? [{ type: "input_text", text: `${head}\n${content}` }]
        : [{ type: "input_text", text: head }, ...content];
    this.#user(parts, index);
    this.#rewrote(
      String(item["type"]),
      index,
      "rewritten",
      "its call is not in the history; shown as user text",
    );
  }

  #agentMessage(item: Raw, index: number): void {
    this.#flush(index);
    const text = agentText(item, index);
    const from = typeof item["author"] === "string" ? ` from ${item["author"]}` : "";
    const to = typeof item["recipient"] === "string" ? ` to ${item["recipient"]}` : "";
    this.#user([{ type: "input_text", text: `Message${from}${to}:\n${text}` }], index);
    this.#rewrote("agent_message", index, "rewritten", "shown as user text");
  }

  /** Ends the answer before `next` and puts the results of its calls behind it. */
  #flush(next: number): void {
    if (this.#answer.length === 0) return;
    this.#turns.push({ kind: "answer", parts: this.#answer });
    const calls = this.#calls;
    this.#answer = [];
    this.#calls = [];
    if (calls.length === 0) return;
    let adjacent = next;
    while (this.#byIndex.has(adjacent)) adjacent++;
    this.#turns.push({
      kind: "results",
      results: calls.map(({ call, callId, item }) => this.#result(call, callId, item, adjacent)),
    });
  }

  #result(call: Call, callId: string, item: Raw, adjacent: number): Result {
    const { id, index } = call;
    if (item["type"] === "mcp_call") {
      const text = item["output"] ?? item["error"] ?? "";
      const output = typeof text === "string" ? text : JSON.stringify(text);
      return { id, output, interrupted: false, failed: false, index, breakpoint: undefined };
    }
    const found = this.#take(callId, index);
    if (found === undefined) {
      this.#rewrote(
        String(item["type"]),
        index,
        "rewritten",
        "it has no result in the history; one was added that says so",
      );
      return { id, output: INTERRUPTED, interrupted: true, failed: true, index, breakpoint: undefined };
    }
    const type = String(found.item["type"]);
    if (found.index >= adjacent) this.#rewrote(type, found.index, "rewritten", "moved behind its call");
    if (type === "tool_search_output") {
      this.#rewrote(type, found.index, "rewritten", "its tools joined the request's tools");
    }
    const failed = found.item["status"] === "incomplete";
    const breakpoint = found.item["prompt_cache_breakpoint"];
    return {
      id,
      output: this.#found(found.item),
      interrupted: false,
      failed,
      index: found.index,
      breakpoint,
    };
  }

  /** The first output behind the call that no earlier call of the same id has taken. */
  #take(callId: string, callIndex: number): Output | undefined {
    const same = this.#outputs.get(callId);
    if (same === undefined) return undefined;
    while (same.passed < same.list.length && same.list[same.passed]!.index < callIndex) same.passed++;
    const output = same.list[same.passed++];
    if (output !== undefined) output.taken = true;
    return output;
  }

  #found(item: Raw): string | readonly ContentPart[] {
    if (item["type"] !== "tool_search_output") return outputOf(item);
    const tools = Array.isArray(item["tools"]) ? item["tools"] : [];
    const found = tools.flatMap((tool) => this.#loadedNames(record(tool)));
    return found.length === 0 ? "No tools were found." : `These tools are available now: ${found.join(", ")}`;
  }

  #loadedNames(tool: Raw, namespace?: string): string[] {
    if (tool["type"] === "namespace" && Array.isArray(tool["tools"])) {
      return tool["tools"].flatMap((child) => this.#loadedNames(record(child), String(tool["name"])));
    }
    return [this.#wireName({ type: `${String(tool["type"])}_call`, name: tool["name"], namespace })];
  }

  #wireName(item: Raw): string {
    const { type, name, namespace } = item;
    if (type === "tool_search_call") return this.#names.wire({ kind: "tool_search", name: "tool_search" });
    const kind = type === "custom_tool_call" || type === "custom_call" ? "custom" : "function";
    const spaced = typeof namespace === "string" && namespace !== "" ? { namespace } : {};
    return this.#names.wire({ kind, name: String(name), ...spaced });
  }

  #freshId(callId: string): string {
    const times = (this.#timesUsed.get(callId) ?? 0) + 1;
    this.#timesUsed.set(callId, times);
    const plain = callId.replace(/[^A-Za-z0-9_-]/g, "_");
    const fits = plain === callId && plain !== "" && plain.length <= 64;
    let id = fits && times === 1 ? plain : marked(plain, times === 1 ? callId : `${callId} ${times}`);
    for (let again = 0; this.#ids.has(id); again++) id = marked(plain, `${callId} ${times} ${again}`);
    this.#ids.add(id);
    return id;
  }

  #rewrote(kind: string, index: number, what: Note["what"], why: string): void {
    this.#notes.push({ leg: "upstream", kind, index, what, why });
  }
}

const OUTPUTS: ReadonlySet<string> = new Set([
  "function_call_output",
  "custom_tool_call_output",
  "tool_search_output",
]);

function userMessage(text: string): MessageItem {
  return { type: "message", role: "user", content: text };
}

function marked(plain: string, whole: string): string {
  return `${plain.slice(0, 51)}_${createHash("sha256").update(whole).digest("hex").slice(0, 12)}`;
}

function argumentsOf(item: Raw): string {
  if (item["type"] === "custom_tool_call") return JSON.stringify({ [CUSTOM_ARGUMENT]: item["input"] });
  const text = item["arguments"];
  return typeof text === "string" ? text : JSON.stringify(text ?? {});
}

function outputOf(item: Raw): string | readonly ContentPart[] {
  const { output } = item;
  if (typeof output === "string") return output;
  return Array.isArray(output) ? (output as ContentPart[]) : JSON.stringify(output ?? "");
}

/** What OpenAI's own servers make of an encrypted parameter (a Fernet token). */
const CIPHERTEXT = /^gAAAA[A-Za-z0-9_-]{40,}={0,2}$/;

/** Servers that do not encrypt leave plain text in `encrypted_content` (need WIRE-6). */
function agentText(item: Raw, index: number): string {
  const content = item["content"];
  const parts = typeof content === "string" ? [{ text: content }] : Array.isArray(content) ? content : [];
  const text = parts
    .map((part) => {
      const { text: plain, encrypted_content: hidden } = record(part);
      const words = typeof plain === "string" ? plain : hidden;
      return typeof words === "string" ? words : "";
    })
    .join("\n");
  if (CIPHERTEXT.test(text.trim())) {
    throw unsupportedItem("agent_message", index, "its text is encrypted for another provider");
  }
  if (text.trim() === "")
    throw unsupportedItem("agent_message", index, "it has no text: the agent would start empty");
  return text;
}
