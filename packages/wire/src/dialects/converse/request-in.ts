/** A Converse request as a hub request (aws-wire §4.3, §4.8). Refuses what Bedrock refuses, in its words where they are known. */

import type { FunctionTool, Item, ResponsesRequest } from "@moho/protocol";
import {
  defined,
  expectArray,
  expectCount,
  expectObject,
  expectString,
  optional,
  type Raw,
} from "../fields.ts";
import { effortOfBudget } from "../messages/effort.ts";
import type { HubRequest, Note } from "../notes.ts";
import { markBreakpoint, readAssistantTurn, readSystem, readUserTurn } from "./blocks-in.ts";
import { checkConversation, type Turn } from "./conversation.ts";
import { expectBetween, expectMember, type Member, noteAt, refused, violation } from "./shape.ts";

/** Members that say nothing to the model, or that the gateway acts on itself. */
const HANDLED: ReadonlySet<string> = new Set([
  "messages",
  "system",
  "inferenceConfig",
  "toolConfig",
  "guardrailConfig",
  "additionalModelRequestFields",
  "requestMetadata",
  "serviceTier",
  "outputConfig",
]);

/**
 * `body` is the parsed JSON, `model` the decoded id of the path. Throws `invalid_request` with the JSON path for what
 * Bedrock would refuse, `unsupported_item` for what another dialect cannot say (video, S3 locations, prompt variables).
 * `guardrailConfig` is not in the result: it is the gateway's to apply (see the peek).
 */
export function converseToHub(body: unknown, model: string): HubRequest {
  const raw = expectObject(body, "body");
  const notes: Note[] = [];
  const turns = readTurns(raw);
  checkConversation(turns, raw["toolConfig"] !== undefined && raw["toolConfig"] !== null);
  // Clients of Converse keep their history themselves, sealed reasoning included.
  const include = ["reasoning.encrypted_content"];
  const request: ResponsesRequest = { model, input: [], store: false, include };
  Object.assign(request, readSettings(raw), readTools(raw, notes), readFormat(raw), readFields(raw, notes));
  const system = readSystem(raw["system"], notes);
  if (system.instructions !== undefined) request.instructions = system.instructions;
  request.input = [...system.items, ...turns.flatMap((turn, index) => readTurn(turn, index, notes))];
  for (const name of Object.keys(raw)) {
    if (name === "promptVariables")
      throw refused(name, "`promptVariables` need a stored prompt, which is not served here.");
    if (!HANDLED.has(name)) notes.push(noteAt(name, "dropped", "other dialects have no place for it"));
  }
  return { request, notes };
}

function readTurns(raw: Raw): Turn[] {
  return expectArray(raw["messages"], "messages").map((value, index) => {
    const path = `messages.${index}`;
    const message = expectObject(value, path);
    const role = expectString(message["role"], `${path}.role`);
    if (role !== "user" && role !== "assistant") {
      throw refused(
        `${path}.role`,
        violation(role, `${path}.role`, "Member must satisfy enum value set: [user, assistant]"),
      );
    }
    const content = expectArray(message["content"], `${path}.content`);
    return { role, blocks: content.map((block, at) => expectMember(block, `${path}.content.${at}`)) };
  });
}

function readTurn(turn: Turn, index: number, notes: Note[]): Item[] {
  const path = `messages.${index}.content`;
  return turn.role === "user"
    ? readUserTurn(turn.blocks, path, notes)
    : readAssistantTurn(turn.blocks, path, notes);
}

function readSettings(raw: Raw): Partial<ResponsesRequest> {
  const config = optional(raw, "inferenceConfig", "", expectObject) ?? {};
  const path = "inferenceConfig";
  const maxTokens = optional(config, "maxTokens", path, expectCount);
  const temperature = optional(config, "temperature", path, expectBetween(0, 1));
  const topP = optional(config, "topP", path, expectBetween(0, 1));
  const stops = optional(config, "stopSequences", path, expectArray)?.map((stop, at) =>
    expectString(stop, `${path}.stopSequences.${at}`),
  );
  const metadata = optional(raw, "requestMetadata", "", expectObject);
  const tier = optional(
    optional(raw, "serviceTier", "", expectObject) ?? {},
    "type",
    "serviceTier",
    expectString,
  );
  return defined({
    max_output_tokens: maxTokens,
    temperature,
    top_p: topP,
    stop: stops?.length === 0 ? undefined : stops,
    service_tier: tier,
    metadata: metadata && textsOf(metadata),
  });
}

function textsOf(metadata: Raw): Record<string, string> {
  return Object.fromEntries(
    Object.entries(metadata).map(([key, value]) => [key, expectString(value, `requestMetadata.${key}`)]),
  );
}

function readTools(raw: Raw, notes: Note[]): Partial<ResponsesRequest> {
  const config = optional(raw, "toolConfig", "", expectObject);
  if (config === undefined) return {};
  const tools: FunctionTool[] = [];
  for (const [index, value] of expectArray(config["tools"], "toolConfig.tools").entries()) {
    const path = `toolConfig.tools.${index}`;
    const { kind, inner } = expectMember(value, path);
    if (kind === "toolSpec")
      tools.push(readTool(expectObject(inner, `${path}.toolSpec`), `${path}.toolSpec`));
    else if (kind === "cachePoint") markBreakpoint(tools.at(-1), inner, `${path}.cachePoint`, notes);
    else notes.push(noteAt(`${path}.${kind}`, "dropped", "only Bedrock's own models have this tool"));
  }
  const choice = optional(config, "toolChoice", "toolConfig", expectMember);
  return { tools, ...(choice !== undefined && { tool_choice: readChoice(choice) }) };
}

function readTool(spec: Raw, path: string): FunctionTool {
  const name = expectString(spec["name"], `${path}.name`);
  if (!/^[a-zA-Z0-9_-]{1,64}$/.test(name)) {
    const rule =
      "Member must satisfy regular expression pattern: [a-zA-Z0-9_-]+ and have length from 1 to 64";
    throw refused(`${path}.name`, violation(name, `${path}.name`, rule));
  }
  const schema = expectObject(spec["inputSchema"], `${path}.inputSchema`);
  const description = optional(spec, "description", path, expectString);
  return {
    type: "function",
    name,
    ...(description !== undefined && { description }),
    parameters: { ...expectObject(schema["json"], `${path}.inputSchema.json`) },
    strict: spec["strict"] === true,
  };
}

function readChoice({ kind, inner }: Member): unknown {
  const path = "toolConfig.toolChoice";
  if (kind === "auto") return "auto";
  if (kind === "any") return "required";
  if (kind !== "tool")
    throw refused(path, `\`${path}\` must be auto, any or tool, not \`${kind.slice(0, 40)}\`.`);
  const name = expectString(expectObject(inner, `${path}.tool`)["name"], `${path}.tool.name`);
  return { type: "function", name };
}

function readFormat(raw: Raw): Partial<ResponsesRequest> {
  const config = optional(raw, "outputConfig", "", expectObject) ?? {};
  const format = optional(config, "textFormat", "outputConfig", expectObject);
  if (format === undefined) return {};
  const path = "outputConfig.textFormat.structure.jsonSchema";
  const structure = expectObject(format["structure"], "outputConfig.textFormat.structure");
  const schema = expectObject(structure["jsonSchema"], path);
  const text = expectString(schema["schema"], `${path}.schema`);
  const description = optional(schema, "description", path, expectString);
  return {
    text: {
      format: {
        type: "json_schema",
        name: optional(schema, "name", path, expectString) ?? "answer",
        ...(description !== undefined && { description }),
        schema: expectObject(parsed(text, `${path}.schema`), `${path}.schema`),
        strict: true,
      },
    },
  };
}

function parsed(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw refused(path, `\`${path}\` must be a JSON schema as a string: ${(cause as Error).message}`);
  }
}

/** What models take beyond Converse: reasoning is the one that others have too. */
function readFields(raw: Raw, notes: Note[]): Partial<ResponsesRequest> {
  const fields = optional(raw, "additionalModelRequestFields", "", expectObject) ?? {};
  const found: Partial<ResponsesRequest> = {};
  for (const [name, value] of Object.entries(fields)) {
    const effort = effortOf(name, value);
    if (effort !== undefined) found.reasoning = { effort };
    else if (name === "parallel_tool_calls" && typeof value === "boolean") found.parallel_tool_calls = value;
    else if (name === "top_k" && typeof value === "number") found["top_k"] = value;
    else notes.push(noteAt(`additionalModelRequestFields.${name}`, "dropped", "it is the model's own"));
  }
  return found;
}

/** OpenAI's `reasoning_effort` and `reasoning`, Anthropic's `output_config` and `thinking`. */
function effortOf(name: string, value: unknown): string | undefined {
  if (name === "reasoning_effort") return typeof value === "string" ? value : undefined;
  if (typeof value !== "object" || value === null) return undefined;
  const { effort, type, budget_tokens } = value as Raw;
  if (name === "reasoning" || name === "output_config")
    return typeof effort === "string" ? effort : undefined;
  if (name !== "thinking") return undefined;
  if (type === "disabled") return "none";
  if (type === "adaptive") return "high";
  if (typeof budget_tokens !== "number") return undefined;
  return effortOfBudget(budget_tokens);
}
