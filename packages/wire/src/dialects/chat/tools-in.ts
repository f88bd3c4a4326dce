/** A Chat client's tools as the hub's. */

import type { ToolSpec } from "@moho/protocol";
import { record } from "../../framing/json.ts";
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
import { invalidAt, unsupportedItem } from "../notes.ts";

export function readChatTools(raw: Raw): ToolSpec[] | undefined {
  const tools = optional(raw, "tools", "", expectArray)?.map(readTool);
  const search = optional(raw, "web_search_options", "", expectObject);
  if (search === undefined) return tools;
  return [...(tools ?? []), { ...search, type: "web_search" }];
}

function readTool(value: unknown, index: number): ToolSpec {
  const path = `tools[${index}]`;
  const tool = expectObject(value, path);
  const type = tool["type"];
  if (type !== "function" && type !== "custom") {
    throw unsupportedItem(`tool of type ${String(type)}`, index, "Chat has function and custom tools");
  }
  const here = `${path}.${type}`;
  const spec = expectObject(tool[type], here);
  const name = expectName(spec["name"], `${here}.name`);
  const description = optional(spec, "description", here, expectString);
  if (type === "custom") {
    const format = readGrammar(optional(spec, "format", here, expectObject));
    return defined({ type, name, description, format }) as ToolSpec;
  }
  const parameters = optional(spec, "parameters", here, expectObject) ?? { type: "object", properties: {} };
  const strict = optional(spec, "strict", here, expectBoolean);
  return defined({ type, name, description, parameters, strict }) as ToolSpec;
}

/** Chat nests the grammar one level deeper than Responses does. */
function readGrammar(format: Raw | undefined): Raw | undefined {
  if (format === undefined || format["type"] !== "grammar") return format;
  return { type: "grammar", ...record(format["grammar"]) };
}

export function readChatChoice(raw: Raw): unknown {
  const choice = raw["tool_choice"];
  if (choice === undefined || choice === null) return undefined;
  if (choice === "auto" || choice === "none" || choice === "required") return choice;
  const { type, allowed_tools: allowed, ...named } = expectObject(choice, "tool_choice");
  if (type === "function" || type === "custom") {
    return { type, name: expectName(record(named[type])["name"], `tool_choice.${type}.name`) };
  }
  if (type !== "allowed_tools") {
    throw invalidAt("tool_choice.type", "must be function, custom or allowed_tools");
  }
  const { mode, tools } = expectObject(allowed, "tool_choice.allowed_tools");
  const list = expectArray(tools, "tool_choice.allowed_tools.tools").map((tool) => {
    const kind = String(record(tool)["type"]);
    return { type: kind, name: record(record(tool)[kind])["name"] };
  });
  return { type, mode, tools: list };
}
