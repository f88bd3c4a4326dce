/** A hub request as a Messages body for an upstream of that dialect. It is always asked to stream. */

import { MohoError, type ResponsesRequest } from "@moho/protocol";
import { record } from "../../framing/json.ts";
import type { BodyValue, UpstreamBody } from "../body.ts";
import { defined, type Raw } from "../fields.ts";
import type { Note } from "../notes.ts";
import { droppedSetting, droppedSettings } from "../settings.ts";
import { type FlatTools, flattenTools } from "../tools.ts";
import { readTurns, type Turn } from "../turns.ts";
import { type Cacheable, limitBreakpoints, placeBreakpoints, writeBreakpoint } from "./cache.ts";
import type { MessagesCapabilities } from "./capabilities.ts";
import { writeMessages } from "./content-out.ts";
import { anthropicEffort, budgetOfEffort, LEAST_BUDGET } from "./effort.ts";

export type { MessagesCapabilities } from "./capabilities.ts";

/** Throws `unsupported_item` for what Messages or this upstream cannot be sent. */
export function hubToMessages(request: ResponsesRequest, capabilities: MessagesCapabilities): UpstreamBody {
  const { value, notes, names } = messagesBody(request, capabilities);
  return { body: JSON.stringify(value), notes, names };
}

export function messagesBody(request: ResponsesRequest, capabilities: MessagesCapabilities): BodyValue {
  const flat = flattenTools(request, capabilities.hosted);
  const { turns, notes } = readTurns(request, flat.names);
  const content = writeMessages(request.instructions, turns, capabilities);
  if (content.messages.length === 0) throw new MohoError("invalid_request", "`input` has no message.");
  const settings = new Settings(request, capabilities, content.messages);
  const format = settings.format();
  if (format.words !== undefined) content.system.push({ type: "text", text: format.words });
  const cacheable: Cacheable = {
    tools: writeTools(flat, turns, settings.notes),
    system: content.system,
    messages: content.messages,
  };
  if (capabilities.caching === "placed") placeBreakpoints(cacheable);
  else settings.notes.push(...limitBreakpoints(cacheable));
  const thinking = settings.thinking();
  const config = defined({ effort: thinking.effort, format: format.format });
  const value = defined({
    model: request.model,
    max_tokens: settings.maxTokens,
    stream: true,
    ...settings.sampling(thinking.on),
    stop_sequences: request["stop"] ?? undefined,
    thinking: thinking.value,
    output_config: Object.keys(config).length > 0 ? config : undefined,
    metadata: settings.metadata(),
    service_tier: settings.tier(),
    tool_choice: cacheable.tools.length > 0 ? settings.choice(flat, thinking.on) : undefined,
    tools: cacheable.tools.length > 0 ? cacheable.tools : undefined,
    system: cacheable.system.length > 0 ? cacheable.system : undefined,
    messages: cacheable.messages,
  });
  const all = [...settings.notes, ...flat.notes, ...notes, ...content.notes];
  return { value, notes: all, names: flat.names };
}

const PASSED: ReadonlySet<string> = new Set([
  ...[
    "temperature",
    "top_p",
    "top_k",
    "stop",
    "user",
    "safety_identifier",
    "service_tier",
    "prompt_cache_key",
  ],
]);

/** What of the request is neither history nor tools, with a note for each thing that could not pass. */
class Settings {
  readonly notes: Note[];
  readonly maxTokens: number;
  readonly #request: ResponsesRequest;
  readonly #can: MessagesCapabilities;
  readonly #messages: Cacheable["messages"];

  constructor(
    request: ResponsesRequest,
    capabilities: MessagesCapabilities,
    messages: Cacheable["messages"],
  ) {
    this.#request = request;
    this.#can = capabilities;
    this.#messages = messages;
    this.notes = droppedSettings(request, PASSED);
    this.maxTokens = request.max_output_tokens ?? capabilities.maxTokens;
    if ((request.text?.["verbosity"] ?? undefined) !== undefined)
      this.#drop("text.verbosity", "Messages has no such setting");
  }

  thinking(): { on: boolean; value?: Raw; effort?: string } {
    const wanted = this.#request.reasoning?.effort ?? undefined;
    if (wanted === undefined) return { on: false };
    if (this.#can.thinking === "none") {
      if (wanted !== "none") this.#drop("reasoning.effort", "the model does not think aloud");
      return { on: false };
    }
    if (this.#can.thinking === "adaptive") {
      const effort = anthropicEffort(wanted);
      if (effort === undefined) return { on: false, value: { type: "disabled" } };
      return { on: true, value: { type: "adaptive", display: "summarized" }, effort };
    }
    const budget = budgetOfEffort(wanted);
    if (budget === undefined) return { on: false };
    if (this.maxTokens <= LEAST_BUDGET) {
      this.#drop(
        "reasoning.effort",
        `max_tokens leaves no room for thinking (at least ${LEAST_BUDGET} tokens)`,
      );
      return { on: false };
    }
    if (continuesWithoutThinking(this.#messages)) {
      this.#drop("reasoning.effort", "the tool calls being answered were made without thinking");
      return { on: false };
    }
    return { on: true, value: { type: "enabled", budget_tokens: Math.min(budget, this.#roomToThink()) } };
  }

  /** Thinking counts towards `max_tokens`: a quarter is kept for the answer. */
  #roomToThink(): number {
    return Math.max(LEAST_BUDGET, Math.floor(this.maxTokens * 0.75));
  }

  /** Anthropic allows no sampling settings while the model thinks. */
  sampling(thinking: boolean): Raw {
    const given = Object.fromEntries(
      ["temperature", "top_p", "top_k"].map((name) => [name, this.#request[name] ?? undefined]),
    );
    if (!thinking) {
      const heat = given["temperature"];
      if (typeof heat !== "number" || heat <= 1) return given;
      this.notes.push({ ...droppedSetting("temperature", "Messages goes up to 1"), what: "rewritten" });
      return { ...given, temperature: 1 };
    }
    for (const [name, value] of Object.entries(given)) {
      if (value !== undefined) this.#drop(name, "it cannot be set while the model thinks");
    }
    return {};
  }

  choice({ choice }: FlatTools, thinking: boolean): Raw | undefined {
    const single = this.#request.parallel_tool_calls === false ? { disable_parallel_tool_use: true } : {};
    const mode = choice?.mode;
    if (mode === "none") return { type: "none" };
    if (thinking && (mode === "required" || mode === "tool")) {
      const why = "a tool cannot be forced while the model thinks";
      this.notes.push({ leg: "upstream", kind: "tool_choice", index: undefined, what: "rewritten", why });
      return { type: "auto", ...single };
    }
    if (choice?.mode === "tool") return { type: "tool", name: choice.name, ...single };
    if (mode === "required") return { type: "any", ...single };
    return mode === "auto" || "disable_parallel_tool_use" in single ? { type: "auto", ...single } : undefined;
  }

  /** The format as a setting where the upstream has one, else as words behind the system prompt. */
  format(): { format?: Raw; words?: string } {
    const { type, schema } = record(this.#request.text?.["format"]);
    if (type !== "json_schema" && type !== "json_object") return {};
    if (type === "json_schema" && this.#can.outputFormat) return { format: { type, schema } };
    const why = "asked for in the system prompt; nothing enforces it here";
    this.notes.push({ leg: "upstream", kind: "text.format", index: undefined, what: "rewritten", why });
    const shape =
      type === "json_schema" ? `value that matches this JSON Schema:\n${JSON.stringify(schema)}` : "object.";
    return {
      words: `Answer with JSON and nothing else: no words around it, no code fence. It must be one JSON ${shape}`,
    };
  }

  metadata(): Raw | undefined {
    const user = this.#request["safety_identifier"] ?? this.#request["user"];
    return typeof user === "string" ? { user_id: user } : undefined;
  }

  tier(): string | undefined {
    const tier = this.#request.service_tier ?? undefined;
    if (tier === undefined || tier === "auto") return tier;
    if (tier === "default") return "standard_only";
    this.#drop("service_tier", `Messages has no tier \`${tier}\``);
    return undefined;
  }

  #drop(kind: string, why: string): void {
    this.notes.push(droppedSetting(kind, why));
  }
}

/** With a budget, Anthropic refuses results of calls whose answer did not begin with thinking. */
function continuesWithoutThinking(messages: Cacheable["messages"]): boolean {
  if (messages.at(-1)?.content[0]?.["type"] !== "tool_result") return false;
  const first = messages.at(-2)?.content[0]?.["type"];
  return first !== "thinking" && first !== "redacted_thinking";
}

/** Without tools a history with calls is refused: what was called is then declared again, bare. */
function writeTools({ tools }: FlatTools, turns: readonly Turn[], notes: Note[]): Raw[] {
  if (tools.length > 0) {
    return tools.map(({ name, description, parameters, strict, breakpoint }) =>
      defined({
        name,
        description,
        input_schema: parameters,
        strict: strict === true ? true : undefined,
        ...writeBreakpoint(breakpoint),
      }),
    );
  }
  const called = new Set<string>();
  for (const turn of turns) {
    if (turn.kind === "answer")
      for (const part of turn.parts) if (part.kind === "call") called.add(part.name);
  }
  if (called.size > 0) {
    const why = "the history has tool calls: their tools were declared without parameters";
    notes.push({ leg: "upstream", kind: "tools", index: undefined, what: "rewritten", why });
  }
  return [...called].map((name) => ({ name, input_schema: { type: "object" } }));
}
