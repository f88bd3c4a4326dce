/**
 * The hub's tools as plain function tools, for dialects that have nothing else, and the names to undo it: namespaces are
 * flattened (`ns__name`), freeform tools take one string, a client-run `tool_search` is a function as well.
 */

import { createHash } from "node:crypto";
import type { Item, ResponsesRequest } from "@moho/protocol";
import { parseJson, record } from "../framing/json.ts";
import { defined, type Raw } from "./fields.ts";
import { type Note, unsupportedItem } from "./notes.ts";

/** What becomes of tools that the provider runs where the upstream's dialect has none. */
export type HostedTools = Readonly<Record<"web_search" | "tool_search" | "mcp", "drop" | "refuse">>;

export type ToolKind = "function" | "custom" | "tool_search";

/** A tool as the client knows it. */
export interface ToolOrigin {
  kind: ToolKind;
  name: string;
  namespace?: string;
}

export interface FlatTool {
  name: string;
  description: string | undefined;
  parameters: Raw;
  strict: boolean | undefined;
  /** The client's `prompt_cache_breakpoint`. */
  breakpoint: unknown;
}

export type FlatChoice = { mode: "auto" | "none" | "required" } | { mode: "tool"; name: string };

export interface FlatTools {
  tools: readonly FlatTool[];
  choice: FlatChoice | undefined;
  names: ToolNames;
  notes: readonly Note[];
}

/** The member of a freeform tool's only argument. */
export const CUSTOM_ARGUMENT = "input";

const MAX_NAME = 64;

/** Wire names for tools and back. Deterministic: names depend on the order in which tools first come. */
export class ToolNames {
  readonly #wires = new Map<string, string>();
  readonly #origins = new Map<string, ToolOrigin>();

  /** The name on the wire: the tool's own when it is free and valid, else one made of it. */
  wire(origin: ToolOrigin): string {
    const key = JSON.stringify([origin.namespace ?? null, origin.name]);
    const known = this.#wires.get(key);
    if (known !== undefined) return known;
    const wire = this.#free(
      origin.namespace === undefined ? origin.name : `${origin.namespace}__${origin.name}`,
      key,
    );
    this.#wires.set(key, wire);
    this.#origins.set(wire, origin);
    return wire;
  }

  /** What the model calls by `wire`; a function of that name when it was never declared. */
  origin(wire: string): ToolOrigin {
    return this.#origins.get(wire) ?? { kind: "function", name: wire };
  }

  #free(wanted: string, key: string): string {
    const plain = wanted.replace(/[^A-Za-z0-9_-]/g, "_");
    if (plain === wanted && plain !== "" && plain.length <= MAX_NAME && !this.#origins.has(plain))
      return plain;
    for (let salt = 0; ; salt++) {
      const mark = createHash("sha256")
        .update(`${key}${salt === 0 ? "" : salt}`)
        .digest("hex")
        .slice(0, 8);
      const name = `${plain.slice(0, MAX_NAME - mark.length - 1)}_${mark}`;
      if (!this.#origins.has(name)) return name;
    }
  }
}

/** A finished call under its wire name as the item that the client expects. */
export function callItem(origin: ToolOrigin, callId: string, argumentText: string): Item {
  const { kind, name, namespace } = origin;
  const spaced = namespace === undefined ? {} : { namespace };
  const status = "completed";
  if (kind === "custom") {
    const input = customInput(argumentText);
    return { type: "custom_tool_call", call_id: callId, name, ...spaced, input, status };
  }
  if (kind === "tool_search") {
    const query = parsedArguments(argumentText) ?? { query: argumentText };
    return { type: "tool_search_call", call_id: callId, execution: "client", arguments: query, status };
  }
  return { type: "function_call", call_id: callId, name, ...spaced, arguments: argumentText, status };
}

/** A freeform call's text. Models that ignore the wrapping write the text itself, or name the member otherwise. */
export function customInput(argumentText: string): string {
  const members = parsedArguments(argumentText) ?? {};
  const input = members[CUSTOM_ARGUMENT];
  if (typeof input === "string") return input;
  const values = Object.values(members);
  return values.length === 1 && typeof values[0] === "string" ? values[0] : argumentText;
}

/** Arguments as an object; `undefined` when the text is not one, or too deep to be written again. No text means none. */
export function parsedArguments(argumentText: string): Raw | undefined {
  if (argumentText.trim() === "") return {};
  if (nesting(argumentText) > MAX_NESTING) return undefined;
  const value = parseJson(argumentText);
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Raw) : undefined;
}

/** What a request body may nest, too. */
const MAX_NESTING = 512;

/** How deep JSON text goes. */
function nesting(text: string): number {
  let deepest = 0;
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (inString) {
      if (unit === 0x5c) at++;
      else if (unit === 0x22) inString = false;
    } else if (unit === 0x22) inString = true;
    else if (unit === 0x7b || unit === 0x5b) deepest = Math.max(deepest, ++depth);
    else if (unit === 0x7d || unit === 0x5d) depth--;
  }
  return deepest;
}

/**
 * Flattens `request.tools`, and the tools that items of the history have loaded since. Throws `unsupported_item` for a
 * tool that is neither a function nor expressible as one, when `hosted` does not let it be dropped.
 */
export function flattenTools(request: ResponsesRequest, hosted: HostedTools): FlatTools {
  const flat = new Flattening(hosted);
  const tools = request.tools ?? [];
  // Plain names are never changed for the sake of a flattened one.
  for (const tool of tools)
    if (tool.type === "function") flat.names.wire({ kind: "function", name: tool.name });
  for (const [index, tool] of tools.entries()) flat.add(record(tool), index);
  if (Array.isArray(request.input)) {
    for (const [index, item] of request.input.entries()) flat.load(item, index);
  }
  return flat.finish(request.tool_choice);
}

class Flattening {
  readonly names = new ToolNames();
  readonly #hosted: HostedTools;
  readonly #tools = new Map<string, FlatTool>();
  readonly #notes: Note[] = [];

  constructor(hosted: HostedTools) {
    this.#hosted = hosted;
  }

  add(tool: Raw, index: number, namespace?: string): void {
    const type = String(tool["type"]);
    if (type === "function") this.#put(tool, { kind: "function", name: String(tool["name"]) }, namespace);
    else if (type === "custom") this.#custom(tool, index, namespace);
    else if (type === "namespace") this.#namespace(tool, index);
    else if (type === "tool_search" && tool["execution"] === "client") this.#search(tool, index);
    else this.#drop(type, index);
  }

  /** Tools that stand in an item: found by a search, or handed in by the client. */
  load(item: Item, index: number): void {
    const type: string = item.type;
    const loaded = (item as Raw)["tools"];
    if ((type !== "tool_search_output" && type !== "additional_tools") || !Array.isArray(loaded)) return;
    for (const tool of loaded) this.add(record(tool), index);
    if (type === "additional_tools")
      this.#note(type, index, "rewritten", "its tools joined the request's tools");
  }

  finish(rawChoice: unknown): FlatTools {
    let tools = [...this.#tools.values()];
    const { choice, only } = this.#choice(rawChoice);
    if (only !== undefined) tools = tools.filter((tool) => only.has(tool.name));
    return { tools, choice, names: this.names, notes: this.#notes };
  }

  #put(tool: Raw, origin: ToolOrigin, namespace: string | undefined): void {
    const name = this.names.wire(namespace === undefined ? origin : { ...origin, namespace });
    if (this.#tools.has(name)) return;
    const { description, parameters, strict, prompt_cache_breakpoint: breakpoint } = tool;
    this.#tools.set(name, {
      name,
      description: typeof description === "string" ? description : undefined,
      parameters: typeof parameters === "object" && parameters !== null ? (parameters as Raw) : NO_PARAMETERS,
      strict: typeof strict === "boolean" ? strict : undefined,
      breakpoint,
    });
  }

  #custom(tool: Raw, index: number, namespace: string | undefined): void {
    const words = typeof tool["description"] === "string" ? [tool["description"]] : [];
    words.push(`Call it with a JSON object whose \`${CUSTOM_ARGUMENT}\` holds the text.`);
    const { syntax, definition } = record(tool["format"]);
    if (typeof definition === "string") {
      words.push(
        `The text must match this ${syntax === "regex" ? "regular expression" : "Lark grammar"}:\n${definition}`,
      );
    }
    const rewritten = {
      description: words.join("\n\n"),
      parameters: CUSTOM_PARAMETERS,
      ...breakpointOf(tool),
    };
    this.#put(rewritten, { kind: "custom", name: String(tool["name"]) }, namespace);
    this.#note(
      "custom",
      index,
      "rewritten",
      "this dialect has only function tools; its grammar is not enforced",
    );
  }

  #namespace(tool: Raw, index: number): void {
    const namespace = String(tool["name"]);
    const children = Array.isArray(tool["tools"]) ? tool["tools"] : [];
    for (const child of children) this.add(record(child), index, namespace);
    this.#note(
      "namespace",
      index,
      "rewritten",
      "this dialect has no namespaces; the name joined its tools' names",
    );
  }

  #search(tool: Raw, index: number): void {
    const parameters = tool["parameters"] ?? SEARCH_PARAMETERS;
    const description = tool["description"] ?? "Finds further tools and makes them available.";
    this.#put({ description, parameters }, { kind: "tool_search", name: "tool_search" }, undefined);
    this.#note("tool_search", index, "rewritten", "this dialect has only function tools");
  }

  #drop(type: string, index: number): void {
    const kind = type.replace(/^(web_search).*/, "$1");
    const rule = Object.hasOwn(this.#hosted, kind) ? this.#hosted[kind as keyof HostedTools] : "refuse";
    if (rule === "refuse") throw unsupportedItem(type, index, "the model's endpoint has no such tool");
    this.#note(type, index, "dropped", "the model's endpoint has no such tool");
  }

  #choice(raw: unknown): { choice: FlatChoice | undefined; only?: ReadonlySet<string> } {
    if (raw === "auto" || raw === "none" || raw === "required") return { choice: { mode: raw } };
    const { type, mode, tools } = record(raw);
    if (type === "function" || type === "custom" || type === "tool_search") {
      return { choice: { mode: "tool", name: this.names.wire(originOf(record(raw))) } };
    }
    if (type === "allowed_tools" && Array.isArray(tools)) {
      this.#note("tool_choice", undefined, "rewritten", "only the allowed tools were passed");
      const only = new Set(tools.map((tool) => this.names.wire(originOf(record(tool)))));
      return { choice: { mode: mode === "required" ? "required" : "auto" }, only };
    }
    if (raw !== undefined && raw !== null) {
      this.#note("tool_choice", undefined, "dropped", "it names a tool that was not passed");
    }
    return { choice: undefined };
  }

  #note(kind: string, index: number | undefined, what: Note["what"], why: string): void {
    this.#notes.push({ leg: "upstream", kind, index, what, why });
  }
}

function originOf(raw: Raw): ToolOrigin {
  const { type, name, namespace } = raw;
  const kind: ToolKind = type === "custom" || type === "tool_search" ? type : "function";
  return defined({
    kind,
    name: kind === "tool_search" ? "tool_search" : String(name),
    namespace: typeof namespace === "string" ? namespace : undefined,
  }) as ToolOrigin;
}

function breakpointOf(raw: Raw): Raw {
  const breakpoint = raw["prompt_cache_breakpoint"];
  return breakpoint === undefined ? {} : { prompt_cache_breakpoint: breakpoint };
}

const NO_PARAMETERS: Raw = { type: "object", properties: {} };

const CUSTOM_PARAMETERS: Raw = {
  type: "object",
  properties: { [CUSTOM_ARGUMENT]: { type: "string" } },
  required: [CUSTOM_ARGUMENT],
  additionalProperties: false,
};

const SEARCH_PARAMETERS: Raw = {
  type: "object",
  properties: { query: { type: "string" }, limit: { type: "number" } },
  required: ["query"],
};
