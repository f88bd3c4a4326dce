/** A hub request as a Converse body (aws-wire §4.3, §4.8). The model's id stands in the path, and so does the wish to stream. */

import type { ResponsesRequest } from "@moho/protocol";
import { record } from "../../framing/json.ts";
import type { BodyValue, UpstreamBody } from "../chat/request-out.ts";
import { defined, type Raw } from "../fields.ts";
import { anthropicEffort, budgetOfEffort, LEAST_BUDGET } from "../messages/effort.ts";
import { type Note, unsupportedItem } from "../notes.ts";
import { openSeal } from "../sealed.ts";
import { droppedSetting, droppedSettings } from "../settings.ts";
import { type FlatChoice, type FlatTools, flattenTools } from "../tools.ts";
import { readTurns, type Turn } from "../turns.ts";
import { placeCachePoints } from "./cache-points.ts";
import type { ConverseCapabilities } from "./capabilities.ts";
import { writeConversation } from "./turns-out.ts";

/** Equal requests give equal bytes, and the history comes last. Throws `unsupported_item` for what Converse cannot be sent. */
export function hubToConverse(
  request: ResponsesRequest,
  capabilities: ConverseCapabilities,
  guardrailConfig?: Raw,
): UpstreamBody {
  const { value, notes, names } = converseBody(request, capabilities, guardrailConfig);
  return { body: JSON.stringify(value), notes, names };
}

/** The body as an object. `guardrailConfig` is passed on as it is. */
export function converseBody(
  request: ResponsesRequest,
  capabilities: ConverseCapabilities,
  guardrailConfig?: Raw,
): BodyValue {
  const flat = flattenTools(request, capabilities.hosted);
  const { turns, notes } = readTurns(request, flat.names);
  const more: Note[] = [...droppedSettings(request, PASSED), ...flat.notes, ...notes];
  const format = writeFormat(request, capabilities, more);
  const conversation = writeConversation(request.instructions, format.words, turns, capabilities, more);
  const thinking = thinkingOf(request, capabilities, turns, more);
  const toolConfig = writeTools(flat, turns, capabilities, thinking !== undefined, more);
  placeCachePoints({ ...conversation, tools: toolConfig?.tools }, capabilities.cachePoints, more);
  const value = defined({
    inferenceConfig: writeInference(request, thinking !== undefined, more),
    additionalModelRequestFields: writeFields(request, capabilities, thinking, more),
    requestMetadata: writeMetadata(request.metadata, more),
    serviceTier: writeTier(request.service_tier),
    guardrailConfig,
    outputConfig: format.config,
    toolConfig,
    system: conversation.system.length === 0 ? undefined : conversation.system,
    messages: conversation.messages,
  });
  return { value, notes: more, names: flat.names };
}

const OPENAI_FIELDS = ["seed", "frequency_penalty", "presence_penalty", "logit_bias"] as const;
const PASSED: ReadonlySet<string> = new Set([
  ...["temperature", "top_p", "stop", "metadata", "service_tier", "top_k", ...OPENAI_FIELDS],
  // Converse has no key: prefixes are found by the cache points alone.
  ...["prompt_cache_key", "safety_identifier", "user"],
]);

function writeInference(request: ResponsesRequest, thinks: boolean, notes: Note[]): Raw | undefined {
  const stops = Array.isArray(request["stop"]) && request["stop"].length > 0 ? request["stop"] : undefined;
  let temperature = numberOf(request["temperature"]);
  let topP = numberOf(request["top_p"]);
  if (thinks && (temperature !== undefined || topP !== undefined)) {
    notes.push(droppedSetting("temperature", "the model takes no sampling settings while it thinks"));
    temperature = undefined;
    topP = undefined;
  }
  if (temperature !== undefined && temperature > 1) {
    notes.push(rewrote("temperature", "Converse's highest is 1"));
    temperature = 1;
  }
  const config = defined({
    maxTokens: request.max_output_tokens ?? undefined,
    temperature,
    topP,
    stopSequences: stops,
  });
  return Object.keys(config).length === 0 ? undefined : config;
}

/** Anthropic's thinking for the wanted effort; `undefined` when the model shall not think, or cannot. */
function thinkingOf(
  request: ResponsesRequest,
  { family, thinking }: ConverseCapabilities,
  turns: readonly Turn[],
  notes: Note[],
): Raw | undefined {
  const effort = request.reasoning?.effort ?? undefined;
  if (family !== "anthropic" || thinking === "none" || effort === undefined || effort === "none")
    return undefined;
  if (thinking === "adaptive") {
    return { thinking: { type: "adaptive" }, output_config: { effort: anthropicEffort(effort) } };
  }
  if (resumesWithoutThinking(turns)) {
    notes.push(
      droppedSetting("reasoning.effort", "the answer under way began without thinking and must end so"),
    );
    return undefined;
  }
  // The budget is part of the limit: a quarter stays for the answer itself.
  const most = Math.floor((request.max_output_tokens ?? Number.POSITIVE_INFINITY) * 0.75);
  const budget = Math.min(budgetOfEffort(effort) ?? LEAST_BUDGET, most);
  if (budget < LEAST_BUDGET) {
    notes.push(droppedSetting("reasoning.effort", "`max_output_tokens` leaves no room to think"));
    return undefined;
  }
  return { thinking: { type: "enabled", budget_tokens: budget } };
}

/** Tool results come last and the answer that asked for them has no reasoning of Anthropic's in front. */
function resumesWithoutThinking(turns: readonly Turn[]): boolean {
  if (turns.at(-1)?.kind !== "results") return false;
  const answer = turns.at(-2);
  if (answer?.kind !== "answer") return false;
  const [first] = answer.parts;
  if (first?.kind !== "reasoning" || typeof first.item.encrypted_content !== "string") return true;
  return openSeal(first.item.encrypted_content).kind === "foreign";
}

function writeFields(
  request: ResponsesRequest,
  { family, thinking: kind }: ConverseCapabilities,
  thinking: Raw | undefined,
  notes: Note[],
): Raw | undefined {
  const effort = request.reasoning?.effort ?? undefined;
  const { parallel_tool_calls: parallel } = request;
  const fields: Record<string, unknown> = { ...thinking };
  if (family === "openai") {
    if (effort !== undefined) fields["reasoning_effort"] = effort;
    if (parallel === false) fields["parallel_tool_calls"] = false;
    if (/gpt-6-astra/.test(request.model) && record(request.text?.["format"])["strict"] === true) {
      fields["text"] = { format: { strict: true } };
    }
  } else {
    if (effort !== undefined && effort !== "none" && (family === "other" || kind === "none")) {
      notes.push(droppedSetting("reasoning.effort", "the model has no such setting"));
    }
    if (parallel === false) notes.push(droppedSetting("parallel_tool_calls", "Converse has no such setting"));
  }
  for (const name of [...OPENAI_FIELDS, "top_k"]) {
    const given = request[name] ?? undefined;
    const takes = name === "top_k" ? family === "anthropic" && thinking === undefined : family === "openai";
    if (given === undefined) continue;
    if (takes) fields[name] = given;
    else notes.push(droppedSetting(name, "the model has no such setting"));
  }
  return Object.keys(fields).length === 0 ? undefined : fields;
}

/** `text.format` as `outputConfig`, or as words for the system prompt. */
function writeFormat(
  request: ResponsesRequest,
  { structuredOutput }: ConverseCapabilities,
  notes: Note[],
): { config?: Raw; words?: string } {
  if (request.text?.["verbosity"] !== undefined && request.text["verbosity"] !== null) {
    notes.push(droppedSetting("text.verbosity", "Converse has no such setting"));
  }
  const { type, name, description, schema } = record(request.text?.["format"]);
  if (type === undefined || type === "text") return {};
  if (type === "json_schema" && structuredOutput) {
    const jsonSchema = defined({ schema: JSON.stringify(schema ?? {}), name, description });
    return { config: { textFormat: { type, structure: { jsonSchema } } } };
  }
  if (type !== "json_schema" && type !== "json_object") {
    throw unsupportedItem(`text.format of type ${String(type)}`, undefined, "Converse has no such format");
  }
  notes.push(rewrote("text.format", "asked for in the system prompt: it is not enforced"));
  const rule =
    type === "json_schema" ? ` that matches this JSON schema:\n${JSON.stringify(schema ?? {})}` : ".";
  return { words: `Answer with nothing but one JSON object${rule}` };
}

interface ToolConfig {
  tools: Raw[];
  toolChoice?: Raw;
}

/** Without `toolConfig` Converse refuses a history with tool blocks, so it stays then, whatever the choice. */
function writeTools(
  { tools, choice, names }: FlatTools,
  turns: readonly Turn[],
  { forcedTools }: ConverseCapabilities,
  thinks: boolean,
  notes: Note[],
): ToolConfig | undefined {
  const called = turns
    .flatMap((turn) => (turn.kind === "answer" ? turn.parts : []))
    .filter((part) => part.kind === "call");
  const mute = choice?.mode === "none";
  if (called.length === 0 && (mute || tools.length === 0)) return undefined;
  if (mute)
    notes.push(rewrote("tool_choice", "Converse has no `none`, and a history with calls needs its tools"));
  const specs: Raw[] = tools.map(({ name, description, parameters, strict, breakpoint }) =>
    withBreakpoint({ toolSpec: toolSpec(name, description, parameters, strict) }, breakpoint),
  );
  if (specs.length === 0) {
    notes.push(rewrote("tools", "the calls in the history need a declaration; a bare one was added"));
    for (const name of new Set(called.map((call) => call.name))) {
      const was = names.origin(name);
      specs.push({ toolSpec: toolSpec(name, `No longer available: \`${was.name}\`.`, {}, undefined) });
    }
  }
  const toolChoice = choiceOf(choice, forcedTools && !thinks, notes);
  return { tools: specs, ...(toolChoice !== undefined && { toolChoice }) };
}

function toolSpec(
  name: string,
  description: string | undefined,
  parameters: Raw,
  strict: boolean | undefined,
): Raw {
  const json = parameters["type"] === undefined ? { type: "object", ...parameters } : parameters;
  return defined({
    name,
    description: description === "" ? undefined : description,
    inputSchema: { json },
    strict: strict === true ? true : undefined,
  });
}

function choiceOf(choice: FlatChoice | undefined, forced: boolean, notes: Note[]): Raw | undefined {
  if (choice === undefined || choice.mode === "auto" || choice.mode === "none") return undefined;
  if (!forced) {
    notes.push(droppedSetting("tool_choice", "the model cannot be made to call a tool (while it thinks)"));
    return undefined;
  }
  return choice.mode === "tool" ? { tool: { name: choice.name } } : { any: {} };
}

/** The mark by which {@link placeCachePoints} finds what the client wants kept. */
function withBreakpoint(block: Raw, breakpoint: unknown): Raw {
  return breakpoint === undefined || breakpoint === null ? block : { ...block, breakpoint };
}

const METADATA_ENTRIES = 16;
const METADATA_TEXT = /^[\w\s:@$#=/+,.-]{1,256}$/;

function writeMetadata(metadata: unknown, notes: Note[]): Raw | undefined {
  const entries = Object.entries(record(metadata));
  const fitting = entries
    .filter(
      ([key, value]) => METADATA_TEXT.test(key) && typeof value === "string" && METADATA_TEXT.test(value),
    )
    .slice(0, METADATA_ENTRIES);
  if (fitting.length < entries.length) {
    notes.push(
      droppedSetting("metadata", `${entries.length - fitting.length} entries do not fit \`requestMetadata\``),
    );
  }
  return fitting.length === 0 ? undefined : Object.fromEntries(fitting);
}

function writeTier(tier: unknown): Raw | undefined {
  return typeof tier === "string" && tier !== "auto" ? { type: tier } : undefined;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

function rewrote(kind: string, why: string): Note {
  return { leg: "upstream", kind, index: undefined, what: "rewritten", why };
}
